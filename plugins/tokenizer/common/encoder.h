// Encodes text to ids, and ids to text.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/tokenizer/common/added.h"
#include "plugins/tokenizer/common/bpe.h"
#include "plugins/tokenizer/common/definition.h"
#include "plugins/tokenizer/common/llama_split.h"
#include "plugins/tokenizer/common/pattern.h"

namespace corral::tokenizer {

// Writes ids into the caller's array.
class IdWriter {
 public:
  IdWriter(int32_t* ids, uint64_t capacity) : begin_(ids), at_(ids), end_(ids + capacity) {}
  // Both throw NoSpace if the array is full.
  void put(int32_t id) { put(std::span<const int32_t>(&id, 1)); }
  void put(std::span<const int32_t> ids) {
    if (static_cast<size_t>(end_ - at_) < ids.size()) no_space();
    for (const int32_t id : ids) *at_++ = id;
  }
  uint64_t count() const { return static_cast<uint64_t>(at_ - begin_); }

 private:
  [[noreturn]] void no_space() const;
  int32_t *begin_, *at_, *end_;
};

struct EncodeOptions {
  bool add_special = false;  // adds the post-processor's tokens around the text
  bool plain = false;        // treats text that spells an added token as ordinary text
};

class Encoder {
 public:
  explicit Encoder(Definition definition);
  ~Encoder();
  Encoder(const Encoder&) = delete;

  // Both may be called from any thread. Throws Error (2) if the text is not UTF-8.
  void encode(std::string_view text, EncodeOptions options, IdWriter& out) const;
  // The bytes of an id, or "" for a special id if `skip_special`. Throws Error (2) if the tokenizer does not have the id.
  std::string_view bytes_of(int32_t id, bool skip_special) const;

  const Definition& definition() const { return definition_; }
  // The id of the added token with this content, else of the ordinary token; -1 if there is none.
  int32_t id_of(std::string_view content) const;

 private:
  struct Entry;
  struct Room;
  class Borrowed;
  void added(std::string_view text, const AddedFinder& finder, bool last, Room& room, IdWriter& out) const;
  void ordinary(std::string_view text, Room& room, IdWriter& out) const;
  template <class Next>
  void pieces(Next next, Room& room, IdWriter& out) const;
  void piece(std::string_view piece, Room& room, Entry* entry, IdWriter& out) const;
  void merge_piece(std::string_view piece, Room& room) const;

  const Definition definition_;
  TokenTable table_;
  MergeTable merges_;
  int32_t byte_ids_[256];
  std::vector<bool> special_;
  AddedFinder first_, normalized_;
  LlamaSplit llama_;
  std::optional<Pattern> pattern_;  // unless it is Llama 3's
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Room>> rooms_;  // those not in use by a call
};

}  // namespace corral::tokenizer
