// PREFIX.idx: the sequences of tokens in PREFIX.bin, and the documents that they form.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/dataset/indexed/token_type.h"

namespace corral::indexed {

// A view of an index; the caller keeps the bytes. Documents are numbered from 0; documents() is the end. Likewise sequences.
class Index {
 public:
  // Checks every number against the others and the size of the .bin file. Throws Error (2) naming file and number.
  Index(std::string_view bytes, uint64_t bin_bytes, const std::string& prefix);

  const TokenType& type() const { return *type_; }
  uint64_t sequences() const { return sequences_; }
  uint64_t documents() const { return documents_; }
  uint64_t tokens() const { return tokens_; }

  uint64_t length(uint64_t sequence) const { return static_cast<uint64_t>(number<int32_t>(lengths_, sequence)); }
  uint64_t byte_of(uint64_t sequence) const { return static_cast<uint64_t>(number<int64_t>(pointers_, sequence)); }
  uint64_t first_sequence(uint64_t document) const { return static_cast<uint64_t>(number<int64_t>(document_starts_, document)); }
  bool begins_document(uint64_t sequence) const;

  // The number of tokens before a sequence.
  uint64_t tokens_before(uint64_t sequence) const;
  // The sequence that contains token number `token` of the pair, below tokens(), and its offset in that sequence.
  struct Place {
    uint64_t sequence, offset;
  };
  Place find(uint64_t token) const;

 private:
  static constexpr uint64_t kStride = 64;

  // Arrays follow each other without padding, so their elements may be unaligned.
  template <class T>
  static T number(const char* array, uint64_t i) {
    T value;
    std::memcpy(&value, array + i * sizeof(T), sizeof(T));
    return value;
  }
  void check_documents(const std::string& name) const;
  void check_sequences(uint64_t bin_bytes, const std::string& prefix);

  const TokenType* type_;
  uint64_t sequences_, documents_, tokens_ = 0;
  const char *lengths_, *pointers_, *document_starts_;
  std::vector<uint64_t> before_;  // tokens before every kStride-th sequence
};

// The bytes of an index for consecutive sequences; document_ends[d] is the number of sequences up to the end of document d.
std::string make_index(const TokenType& type, const std::vector<int32_t>& lengths, const std::vector<uint64_t>& document_ends);

}  // namespace corral::indexed
