#include "plugins/tokenizer/common/encoder.h"

#include <algorithm>
#include <cstring>

#include "corral/error.h"
#include "plugins/tokenizer/common/utf8.h"

namespace corral::tokenizer {
namespace {
std::vector<AddedToken> those(const std::vector<AddedToken>& tokens, bool normalized) {
  std::vector<AddedToken> result;
  for (const AddedToken& t : tokens)
    if (t.normalized == normalized) result.push_back(t);
  return result;
}
}  // namespace

void IdWriter::put(std::span<const int32_t> ids) {
  if (static_cast<size_t>(end_ - at_) < ids.size()) throw NoSpace(format("room for {} ids is too little for this text", end_ - begin_));
  at_ = std::copy(ids.begin(), ids.end(), at_);
}

// What one call needs, used again by later ones. Most text is made of few different pieces: their ids are remembered, each in the one place
// that its bytes choose, a cache line.
struct Encoder::Room {
  static constexpr size_t kLongest = 24, kMostIds = 8, kEntries = 1 << 14;
  struct Key {
    uint64_t words[3];
    bool operator==(const Key&) const = default;
  };
  struct alignas(64) Entry {
    Key key;
    uint32_t length;  // 0: empty
    uint32_t count;
    int32_t ids[kMostIds];
  };
  std::vector<Entry> entries{kEntries};
  std::vector<int32_t> ids;
  MergeRoom merge;

  static Key key_of(std::string_view piece) {
    Key key{};
    std::memcpy(key.words, piece.data(), piece.size());
    return key;
  }
  static size_t place(const Key& key) {
    uint64_t h = (key.words[0] ^ 0x9E3779B97F4A7C15ull) * 0xBF58476D1CE4E5B9ull;
    h = (h ^ h >> 32 ^ key.words[1]) * 0x94D049BB133111EBull;
    h = (h ^ h >> 32 ^ key.words[2]) * 0xBF58476D1CE4E5B9ull;
    return h >> (64 - 14);
  }
};

class Encoder::Borrowed {
 public:
  explicit Borrowed(const Encoder& owner) : owner_(owner) {
    {
      const std::lock_guard lock(owner.mutex_);
      if (!owner.rooms_.empty()) {
        room_ = std::move(owner.rooms_.back());
        owner.rooms_.pop_back();
      }
    }
    if (!room_) room_ = std::make_unique<Room>();
  }
  ~Borrowed() {
    const std::lock_guard lock(owner_.mutex_);
    owner_.rooms_.push_back(std::move(room_));
  }
  Room& operator*() { return *room_; }

 private:
  const Encoder& owner_;
  std::unique_ptr<Room> room_;
};

Encoder::Encoder(Definition definition)
    : definition_(std::move(definition)),
      table_(definition_.tokens),
      merges_(definition_.merges),
      special_(definition_.tokens.size()),
      first_(those(definition_.added, false)),
      normalized_(those(definition_.added, true)) {
  table_.reserve(definition_.tokens.size());
  for (size_t id = 0; id < definition_.tokens.size(); ++id)
    if (definition_.mergeable[id]) table_.insert(static_cast<int32_t>(id));
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_ids_[byte] = table_.find({&c, 1});
    if (byte_ids_[byte] < 0) fail_bug("a vocabulary without byte {}", byte);
  }
  for (const AddedToken& t : definition_.added) special_[static_cast<size_t>(t.id)] = t.special;
  if (definition_.pattern != kLlamaPattern) pattern_.emplace(definition_.pattern, "pre_tokenizer");
}

Encoder::~Encoder() = default;

void Encoder::merge_piece(std::string_view piece, Room& room) const {
  room.ids.resize(piece.size());
  for (size_t i = 0; i < piece.size(); ++i) room.ids[i] = byte_ids_[static_cast<unsigned char>(piece[i])];
  room.ids.resize(merge(room.ids, merges_, room.merge));
}

void Encoder::piece(std::string_view piece, Room& room, IdWriter& out) const {
  Room::Entry* entry = nullptr;
  if (piece.size() <= Room::kLongest) {
    const Room::Key key = Room::key_of(piece);
    entry = &room.entries[Room::place(key)];
    if (entry->length == piece.size() && entry->key == key) return out.put({entry->ids, entry->count});
    entry->key = key;
    entry->length = static_cast<uint32_t>(piece.size());
  }
  const int32_t whole = definition_.ignore_merges ? table_.find(piece) : -1;
  if (whole >= 0)
    room.ids.assign(1, whole);
  else
    merge_piece(piece, room);
  if (entry) {
    entry->count = static_cast<uint32_t>(room.ids.size());
    if (entry->count <= Room::kMostIds)
      std::copy(room.ids.begin(), room.ids.end(), entry->ids);
    else
      entry->length = 0;
  }
  out.put(room.ids);
}

void Encoder::ordinary(std::string_view text, Room& room, IdWriter& out) const {
  if (pattern_) {
    Pattern::Pieces pieces(*pattern_, text);
    for (std::string_view next = pieces.next(); !next.empty(); next = pieces.next()) piece(next, room, out);
    return;
  }
  const char *at = text.data(), *const end = at + text.size();
  while (at < end) {
    const char* after = llama_.piece(at, end);
    piece({at, static_cast<size_t>(after - at)}, room, out);
    at = after;
  }
}

void Encoder::added(std::string_view text, const AddedFinder& finder, bool last, Room& room, IdWriter& out) const {
  const auto between = [&](std::string_view part) { last ? ordinary(part, room, out) : added(part, normalized_, true, room, out); };
  for (size_t at = 0; at < text.size();) {
    const AddedFinder::Found found = finder.find(text, at);
    between(text.substr(at, found.at - at));
    if (!found.token) break;
    out.put(found.token->id);
    at = found.at + found.token->content.size();
  }
}

void Encoder::encode(std::string_view text, EncodeOptions options, IdWriter& out) const {
  if (const size_t invalid = first_invalid_utf8(text); invalid != kAllValid) fail("the text is no UTF-8 at byte {}", invalid);
  Borrowed room(*this);
  if (options.add_special) out.put(definition_.prefix);
  if (options.plain)
    ordinary(text, *room, out);
  else
    added(text, first_, normalized_.empty(), *room, out);
  if (options.add_special) out.put(definition_.suffix);
}

std::string_view Encoder::bytes_of(int32_t id, bool skip_special) const {
  if (id < 0 || static_cast<size_t>(id) >= definition_.tokens.size())
    fail("id {}: the tokenizer has ids 0 to {}", id, definition_.tokens.size() - 1);
  return skip_special && special_[static_cast<size_t>(id)] ? std::string_view() : definition_.tokens[static_cast<size_t>(id)];
}

int32_t Encoder::id_of(std::string_view content) const {
  for (const AddedToken& t : definition_.added)
    if (t.content == content) return t.id;
  return table_.find(content);
}

}  // namespace corral::tokenizer
