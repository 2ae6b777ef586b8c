#include "kernel/plugin/tokenizer.h"

#include <cstdlib>

#include "bin/validate/check.h"
#include "corral/error.h"

namespace corral::validate {
namespace {

constexpr std::string_view kTexts[] = {"The quick brown fox jumps over the lazy dog.",
                                       "den lilla räven hoppade över en lat hund",
                                       "int main() {\n\treturn 0;\n}\n",
                                       "  two  blanks, 12345 numbers\r\n\r\n",
                                       "日本語のテキスト 🦊🦊 e\u0301",
                                       "",
                                       " ",
                                       "a"};

std::string train(const Subject& s, const TokenizerMethod& method) {
  TokenizerTrainRequest request;
  request.options = s.options();
  request.vocab_size = 300;
  request.out = s.scratch + "/trained-XXXXXX";  // a new folder each time
  if (!mkdtemp(request.out.data())) fail_environment("{} cannot be made", request.out);
  request.threads = 1;
  size_t next = 0;
  method.train(request, [&](std::string_view& text) {
    if (next == std::size(kTexts) * 20) return false;
    text = kTexts[next++ % std::size(kTexts)];
    return true;
  });
  return request.out;
}

void round_trip(const TokenizerHandle& tokenizer) {
  const uint32_t num_ids = tokenizer.info().num_ids;
  for (const std::string_view text : kTexts) {
    const std::vector<int32_t> ids = tokenizer.encode(text);
    std::string pieces;
    for (const int32_t id : ids) {
      if (id < 0 || static_cast<uint32_t>(id) >= num_ids) fail_check("\"{}\" has the id {}, but there are only {} ids", text, id, num_ids);
      pieces += tokenizer.bytes_of(id);
    }
    if (const std::string back = tokenizer.decode(ids); back != text) fail_check("\"{}\" comes back as \"{}\"", text, back);
    if (pieces != text) fail_check("the bytes of the ids of \"{}\" are \"{}\"", text, pieces);
    if (ids != tokenizer.encode(text)) fail_check("\"{}\" has different ids the second time", text);
  }
}

void exercise(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const TokenizerMethod method(plugin);
  const TokenizerHandle tokenizer = method.open(train(s, method), s.options());
  round_trip(tokenizer);
  tokenizer.files();
}

Outcome round_trips(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  try {
    exercise(s, plugin);
  } catch (const Unsupported& e) {
    return skip(std::string("it cannot train a tokenizer, and there is no file of one here: ") + e.what());
  }
  return pass();
}

Outcome bad_ids(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const TokenizerMethod method(plugin);
  const TokenizerHandle tokenizer = method.open(train(s, method), s.options());
  for (const int32_t id : {-1, static_cast<int32_t>(tokenizer.info().num_ids), INT32_MAX, INT32_MIN}) try {
      tokenizer.decode({id});
      return failed(format("it decodes the id {}, which does not exist", id));
    } catch (const Error& e) {
      if (e.exit_code() != 2) throw;
    }
  int32_t one = 0;
  uint64_t count = 0;
  const std::string_view text = kTexts[0];
  const corral_status status = status_of_call(tokenizer.plugin(), &corral_tokenizer::encode, "encode", tokenizer.get(), text.data(),
                                              text.size(), uint64_t{CORRAL_PLAIN_TEXT}, &one, uint64_t{1}, &count);
  if (status == CORRAL_OK && count != 1) return failed("it writes beyond the capacity of the caller's array");
  if (status != CORRAL_OK && status != CORRAL_NO_SPACE) return failed(format("without room for the ids it answers with status {}", status));
  return pass();
}

constexpr Check kChecks[] = {
    {"tokenizer.round-trip", "a tokenizer that it trains encodes text to ids that decode to the same text", with_plugin<round_trips>},
    {"tokenizer.bad-ids", "it refuses ids that do not exist, and too little room", with_plugin<bad_ids>},
};

}  // namespace

extern const Kind kind_tokenizer;
const Kind kind_tokenizer{"tokenizer", CORRAL_TOKENIZER_ID, CORRAL_SIZE(corral_tokenizer), exercise, kChecks};

}  // namespace corral::validate
