// tokenizer.json: any bytes are refused with a message, or every text becomes ids of the vocabulary that decode to the text.
#include <cstdint>
#include <vector>

#include "corral/error.h"
#include "plugins/tokenizer/common/encoder.h"
#include "plugins/tokenizer/common/tokenizer_json.h"
#include "tests/fuzz/claims.h"

namespace {
using namespace corral::tokenizer;

constexpr std::string_view kTexts[] = {"",
                                       "abc abc",
                                       "it's 1234\r\n\n  x",
                                       "na\xC3\xAFve \xF0\x9F\x98\x80",
                                       "<|begin_of_text|>a<|eot_id|>",
                                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

void use(const Encoder& encoder) {
  const size_t count = encoder.definition().tokens.size();
  for (const std::string_view text : kTexts)
    for (const bool plain : {false, true}) {
      std::vector<int32_t> ids(text.size() + kMostAround);
      IdWriter out(ids.data(), ids.size());
      try {
        encoder.encode(text, {.add_special = !plain, .plain = plain}, out);
      } catch (const corral::NoSpace&) {
        require(false);  // one id per byte and kMostAround always suffice
      } catch (const corral::Error& error) {
        require(error.what()[0] != '\0');  // the pattern takes too long to match
        continue;
      }
      std::string back;
      for (uint64_t i = 0; i < out.count(); ++i) {
        require(ids[i] >= 0 && static_cast<size_t>(ids[i]) < count);
        back += encoder.bytes_of(ids[i], false);
      }
      require(!plain || back == text);
    }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    use(Encoder(parse_tokenizer_json({reinterpret_cast<const char*>(data), size}, "f")));
  } catch (const corral::Error& error) {
    require(error.exit_code() == 2 && error.what()[0] != '\0');
  }
  return 0;
}
