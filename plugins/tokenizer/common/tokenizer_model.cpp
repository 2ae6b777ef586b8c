#include "plugins/tokenizer/common/tokenizer_model.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "corral/error.h"
#include "plugins/tokenizer/common/bpe.h"
#include "plugins/tokenizer/common/llama_split.h"
#include "plugins/tokenizer/common/llama_tokens.h"

namespace corral::tokenizer {
namespace {
constexpr size_t kLongestToken = 1024, kMostTokens = 1 << 24;

constexpr std::array<int8_t, 256> digits() {
  std::array<int8_t, 256> value{};
  value.fill(-1);
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kDigits.size(); ++i) value[static_cast<unsigned char>(kDigits[i])] = static_cast<int8_t>(i);
  return value;
}

bool decode_base64(std::string_view text, std::string& bytes) {
  static constexpr std::array<int8_t, 256> kDigits = digits();
  bytes.clear();
  if (text.empty() || text.size() % 4 != 0) return false;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const int digit = i < text.size() - padding ? kDigits[static_cast<unsigned char>(text[i])] : 0;
    if (digit < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (i % 4 != 3) continue;
    for (const int shift : {16, 8, 0}) bytes.push_back(static_cast<char>(bits >> shift));
    bits = 0;
  }
  bytes.resize(bytes.size() - padding);
  return true;
}

struct Line {
  std::string_view token, rank;
};
Line parts_of(std::string_view line) {
  const size_t blank = line.find(' ');
  return blank == std::string_view::npos ? Line{} : Line{line.substr(0, blank), line.substr(blank + 1)};
}

// All pairs of tokens whose concatenation is a token, ranked by that token: merging by rank is merging the lowest token first.
std::vector<Merge> merges_of(const std::vector<std::string>& tokens, const TokenTable& table) {
  std::vector<Merge> merges;
  for (size_t id = 0; id < tokens.size(); ++id) {
    const std::string_view token = tokens[id];
    const auto first = static_cast<ptrdiff_t>(merges.size());
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const int32_t left = table.find(token.substr(0, cut)), right = left < 0 ? -1 : table.find(token.substr(cut));
      if (right >= 0) merges.push_back({left, right, static_cast<int32_t>(id), static_cast<uint32_t>(id)});
    }
    std::sort(merges.begin() + first, merges.end(),
              [](const Merge& a, const Merge& b) { return a.left != b.left ? a.left < b.left : a.right < b.right; });
  }
  return merges;
}
}  // namespace

bool looks_like_tokenizer_model(std::string_view beginning) {
  std::string bytes;
  return decode_base64(parts_of(beginning.substr(0, beginning.find('\n'))).token, bytes);
}

Definition parse_tokenizer_model(std::string_view text, const std::string& file, std::string_view version) {
  Definition definition;
  std::vector<std::string>& tokens = definition.tokens;
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + !text.ends_with('\n');
  if (lines > kMostTokens) fail("{}: {} lines, expected at most {}", file, lines, kMostTokens);
  tokens.resize(lines);
  std::string bytes;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const Line line = parts_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    size_t rank = 0;
    const char* rank_end = line.rank.data() + line.rank.size();
    const auto [stop, error] = std::from_chars(line.rank.data(), rank_end, rank);
    if (line.rank.empty() || error != std::errc() || stop != rank_end || !decode_base64(line.token, bytes))
      fail("{}:{}: expected a token in base64, a blank and its rank", file, number);
    if (bytes.empty() || bytes.size() > kLongestToken)
      fail("{}:{}: a token of {} bytes, expected 1 to {}", file, number, bytes.size(), kLongestToken);
    if (rank >= lines) fail("{}:{}: rank {}, but there are {} tokens: ranks go from 0 without a gap", file, number, rank, lines);
    if (!tokens[rank].empty()) fail("{}:{}: rank {} appears twice", file, number, rank);
    tokens[rank] = bytes;
  }
  TokenTable table(tokens);
  table.reserve(lines);
  for (size_t id = 0; id < lines; ++id)
    if (!table.insert(static_cast<int32_t>(id))) fail("{}: the token of rank {} appears twice", file, id);
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (table.find({&c, 1}) < 0) fail("{}: no token for the byte {}", file, byte);
  }
  definition.merges = merges_of(tokens, table);
  definition.ignore_merges = true;
  definition.pattern = kLlamaPattern;
  definition.mergeable.resize(lines, true);
  for (const std::string& name : llama_special_tokens(version, kModelSpecialTokens)) {
    definition.added.push_back({static_cast<int32_t>(tokens.size()), name, true, false});
    tokens.push_back(name);
    definition.mergeable.push_back(false);
  }
  definition.prefix = {definition.added[0].id};
  return definition;
}

}  // namespace corral::tokenizer
