// Megatron data pairs: any bytes are refused with a message, or every row has ids of the vocabulary from inside the tokens, and the index
// can be written and read again.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "plugins/dataset/indexed/index.h"
#include "plugins/dataset/indexed/pair_rows.h"
#include "plugins/dataset/indexed/token_type.h"
#include "tests/fuzz/claims.h"

namespace {
using namespace corral::indexed;
constexpr uint64_t kLength = 5, kMostRows = 2000;
constexpr uint32_t kNumIds = 300;

// A copy in an allocation of exactly its size: AddressSanitizer sees a read of the next byte.
struct Exact {
  std::unique_ptr<char[]> bytes;
  std::string_view view;
  explicit Exact(std::string_view from) : bytes(new char[from.size()]), view(bytes.get(), from.size()) {
    std::copy(from.begin(), from.end(), bytes.get());
  }
};

void check_rows(const std::shared_ptr<const Pair>& pair, bool reset_positions) {
  PairRows rows({.seq_length = kLength, .num_ids = kNumIds, .end_of_text = 3, .reset_positions = reset_positions, .keep_tail = true});
  const uint64_t documents = pair->index.documents(), middle = documents / 2;
  rows.add(pair, middle, documents);
  rows.add(pair, 0, middle);
  require(rows.tokens() == pair->index.tokens() && rows.documents() == documents);
  int32_t tokens[kLength], targets[kLength], positions[kLength], first_key[kLength];
  for (uint64_t row = 0; row < std::min(rows.rows(), kMostRows); ++row) {
    rows.fill(row, {tokens, targets, positions, first_key});
    for (uint64_t i = 0; i < kLength; ++i) {
      require(tokens[i] >= 0 && tokens[i] < static_cast<int32_t>(kNumIds) && targets[i] >= -1 &&
              targets[i] < static_cast<int32_t>(kNumIds));
      require(first_key[i] >= 0 && first_key[i] <= static_cast<int32_t>(i) && positions[i] == static_cast<int32_t>(i) - first_key[i]);
      require(i + 1 == kLength || targets[i] == -1 || targets[i] == tokens[i + 1]);
    }
  }
}

// Writes the index anew and reads it back: its sequences and documents must be the same.
void check_written(const Index& index) {
  std::vector<int32_t> lengths;
  std::vector<uint64_t> ends;
  for (uint64_t s = 0; s < index.sequences(); ++s) lengths.push_back(static_cast<int32_t>(index.length(s)));
  for (uint64_t d = 1; d <= index.documents(); ++d) ends.push_back(index.first_sequence(d));
  const std::string written = make_index(index.type(), lengths, ends);
  const Index again(written, index.tokens() * index.type().bytes, "again");
  require(again.tokens() == index.tokens() && again.documents() == index.documents());
  for (uint64_t s = 0; s < index.sequences(); ++s) require(again.tokens_before(s) == index.tokens_before(s));
  const int32_t ids[] = {0, 7, 127};
  int32_t back[3];
  char bytes[3 * sizeof(int64_t)];
  index.type().write(ids, 3, bytes);
  require(index.type().read(bytes, 3, 128, back) == 3 && std::equal(ids, ids + 3, back));
  require(&token_type_for(kNumIds) == find_token_type(8));
}
}  // namespace

// The input is the size of the index in four bytes, the index, the tokens.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  uint32_t index_size = 0;
  std::memcpy(&index_size, rest.data(), std::min(sizeof index_size, size));
  rest.remove_prefix(std::min(sizeof index_size, size));
  const Exact index(rest.substr(0, index_size)), tokens(rest.substr(std::min<size_t>(index_size, rest.size())));
  ends_or_is_refused([&] {
    const auto pair = std::make_shared<const Pair>(Pair{"p", tokens.view, Index(index.view, tokens.view.size(), "p")});
    check_written(pair->index);
    for (const bool reset_positions : {false, true}) ends_or_is_refused([&] { check_rows(pair, reset_positions); });
  });
  return 0;
}
