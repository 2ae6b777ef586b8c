#include "plugins/dataset/indexed/index.h"

#include <algorithm>

#include "corral/error.h"

namespace corral::indexed {
namespace {
constexpr std::string_view kMagic{"MMIDIDX\0\0", 9};
constexpr uint64_t kVersion = 1, kHeaderBytes = 34;
constexpr uint64_t kSequenceBytes = sizeof(int32_t) + sizeof(int64_t);

template <class T>
void put(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
}  // namespace

Index::Index(std::string_view bytes, uint64_t bin_bytes, const std::string& prefix) {
  const std::string name = prefix + ".idx";
  if (!bytes.starts_with(kMagic.substr(0, std::min(bytes.size(), kMagic.size()))) || bytes.empty())
    fail("{}: is not an index: it {}", name, bytes.empty() ? "is empty" : "does not begin with MMIDIDX");
  if (bytes.size() < kHeaderBytes) fail("{}: is cut off: it has {} bytes, and its header alone takes {}", name, bytes.size(), kHeaderBytes);
  const uint64_t version = number<uint64_t>(bytes.data() + 9, 0), entries = number<uint64_t>(bytes.data() + 26, 0);
  if (version != kVersion) fail("{}: is of version {}; only {} is known", name, version, kVersion);
  type_ = find_token_type(static_cast<uint8_t>(bytes[17]));
  if (!type_) fail("{}: its tokens are of type {}; known are 1 (uint8) to 8 (uint16)", name, int{static_cast<uint8_t>(bytes[17])});

  sequences_ = number<uint64_t>(bytes.data() + 18, 0);
  if (entries == 0) fail("{}: its list of documents has no entry, but must have one more than there are documents", name);
  documents_ = entries - 1;
  const uint64_t rest = bytes.size() - kHeaderBytes;
  const bool fits = sequences_ <= rest / kSequenceBytes && entries <= (rest - sequences_ * kSequenceBytes) / sizeof(int64_t);
  if (!fits)
    fail("{}: is cut off or damaged: {} sequences and {} documents do not fit its {} bytes", name, sequences_, documents_, bytes.size());
  lengths_ = bytes.data() + kHeaderBytes;
  pointers_ = lengths_ + sequences_ * sizeof(int32_t);
  document_starts_ = pointers_ + sequences_ * sizeof(int64_t);
  const uint64_t behind = rest - sequences_ * kSequenceBytes - entries * sizeof(int64_t);
  if (behind != 0 && behind != sequences_)  // optionally a mode per sequence, one byte each
    fail("{}: {} bytes follow after its {} sequences and {} documents: expected none, or a mode per sequence", name, behind, sequences_,
         documents_);
  const char* const modes = document_starts_ + entries * sizeof(int64_t);
  for (uint64_t s = 0; s < behind; ++s)
    if (modes[s] != 0) fail("{}: sequence {} has the mode {}: only text, mode 0, can be read", name, s, int{modes[s]});
  check_documents(name);
  check_sequences(bin_bytes, prefix);
}

void Index::check_documents(const std::string& name) const {
  int64_t before = 0;
  for (uint64_t d = 0; d <= documents_; ++d) {
    const auto first = number<int64_t>(document_starts_, d);
    if (d == 0 && first != 0) fail("{}: its first document begins at sequence {}, not 0", name, first);
    if (first < before) fail("{}: document {} begins at sequence {}, and the one before it at {}", name, d, first, before);
    before = first;
  }
  if (static_cast<uint64_t>(before) != sequences_) fail("{}: its documents end at sequence {}, but it has {}", name, before, sequences_);
}

void Index::check_sequences(uint64_t bin_bytes, const std::string& prefix) {
  uint64_t last_end = 0;
  before_.reserve(sequences_ / kStride + 1);
  for (uint64_t s = 0; s < sequences_; ++s) {
    if (s % kStride == 0) before_.push_back(tokens_);
    const auto length = number<int32_t>(lengths_, s);
    const auto pointer = number<int64_t>(pointers_, s);
    if (length < 0) fail("{}.idx: sequence {} has {} tokens: expected 0 or more, so this index is damaged", prefix, s, length);
    const uint64_t begin = static_cast<uint64_t>(pointer), bytes = static_cast<uint64_t>(length) * type_->bytes;
    if (begin > bin_bytes || bytes > bin_bytes - begin)
      fail(
          "{}.idx: sequence {}, {} tokens of {} from byte {} on, is beyond the end of {}.bin, which has {} bytes: that file is cut off "
          "or of another index",
          prefix, s, length, type_->name, pointer, prefix, bin_bytes);
    last_end = std::max(last_end, begin + bytes);
    tokens_ += static_cast<uint64_t>(length);
  }
  if (last_end != bin_bytes)
    fail("{}.bin: has {} bytes, but {}.idx describes only the first {}: the two files are not of the same pair", prefix, bin_bytes, prefix,
         last_end);
}

bool Index::begins_document(uint64_t sequence) const {
  uint64_t low = 0, high = documents_;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    first_sequence(middle) < sequence ? low = middle + 1 : high = middle;
  }
  return low < documents_ && first_sequence(low) == sequence;
}

uint64_t Index::tokens_before(uint64_t sequence) const {
  if (sequence >= sequences_) return tokens_;
  uint64_t tokens = before_[sequence / kStride];
  for (uint64_t s = sequence - sequence % kStride; s < sequence; ++s) tokens += length(s);
  return tokens;
}

Index::Place Index::find(uint64_t token) const {
  const auto after = std::upper_bound(before_.begin(), before_.end(), token);
  uint64_t sequence = static_cast<uint64_t>(after - before_.begin() - 1) * kStride;
  token -= *(after - 1);
  while (token >= length(sequence)) token -= length(sequence++);
  return {sequence, token};
}

std::string make_index(const TokenType& type, const std::vector<int32_t>& lengths, const std::vector<uint64_t>& document_ends) {
  std::string bytes(kMagic);
  bytes.reserve(kHeaderBytes + lengths.size() * kSequenceBytes + (document_ends.size() + 1) * sizeof(int64_t));
  put(bytes, kVersion);
  put(bytes, type.code);
  put(bytes, uint64_t{lengths.size()});
  put(bytes, uint64_t{document_ends.size() + 1});
  for (const int32_t length : lengths) put(bytes, length);
  int64_t pointer = 0;
  for (const int32_t length : lengths) {
    put(bytes, pointer);
    pointer += int64_t{length} * type.bytes;
  }
  put(bytes, int64_t{0});
  for (const uint64_t end : document_ends) put(bytes, static_cast<int64_t>(end));
  return bytes;
}

}  // namespace corral::indexed
