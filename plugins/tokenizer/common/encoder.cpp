#include "plugins/tokenizer/common/encoder.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "corral/error.h"
#include "corral/utf8.h"

namespace corral::tokenizer {
namespace {
std::vector<AddedToken> with_normalized(const std::vector<AddedToken>& tokens, bool normalized) {
  std::vector<AddedToken> result;
  for (const AddedToken& t : tokens)
    if (t.normalized == normalized) result.push_back(t);
  return result;
}
}  // namespace

void IdWriter::no_space() const { throw NoSpace(format("room for {} ids is too little for this text", end_ - begin_)); }

// A cache of pieces: most text consists of few different pieces. The bytes of a piece choose its only slot, which is one cache line.
struct Encoder::Entry {
  static constexpr size_t kLongest = 24, kMostIds = 8;
  struct Key {
    uint64_t words[3];
    bool operator==(const Key&) const = default;
  };
  alignas(64) Key key;
  uint32_t length;  // 0 if empty
  uint32_t count;
  int32_t ids[kMostIds];
};

struct Encoder::Room {
  using Key = Entry::Key;
  static constexpr int kPlaceBits = 16;
  // 4 MB of lazily zeroed pages; a short text touches few of them.
  std::unique_ptr<void, decltype(&std::free)> pages{std::calloc((size_t{1} << kPlaceBits) + 1, sizeof(Entry)), &std::free};
  Entry* entries = aligned(pages.get());
  std::vector<int32_t> ids;
  MergeRoom merge;

  static Entry* aligned(void* pages) {
    if (!pages) throw std::bad_alloc();
    return reinterpret_cast<Entry*>((reinterpret_cast<uintptr_t>(pages) + sizeof(Entry) - 1) / sizeof(Entry) * sizeof(Entry));
  }
  // Packs up to 24 bytes into three words with overlapping loads. Together with the length, the key determines the piece.
  static Key key_of(std::string_view piece) {
    const char* const begin = piece.data();
    const size_t size = piece.size();
    const auto load = [](const char* at, auto word) {
      std::memcpy(&word, at, sizeof word);
      return static_cast<uint64_t>(word);
    };
    const auto eight = [&](size_t at) { return load(begin + at, uint64_t{}); };
    if (size > 16) return {{eight(0), eight(8), eight(size - 8)}};
    if (size >= 8) return {{eight(0), eight(size - 8), 0}};
    if (size >= 4) return {{load(begin, uint32_t{}) | load(begin + size - 4, uint32_t{}) << 32, 0, 0}};
    return {{load(begin, uint8_t{}) | load(begin + size / 2, uint8_t{}) << 8 | load(begin + size - 1, uint8_t{}) << 16, 0, 0}};
  }
  static size_t place(const Key& key) {
    uint64_t h = (key.words[0] ^ 0x9E3779B97F4A7C15ull) * 0xBF58476D1CE4E5B9ull;
    h = (h ^ h >> 32 ^ key.words[1]) * 0x94D049BB133111EBull;
    h = (h ^ h >> 32 ^ key.words[2]) * 0xBF58476D1CE4E5B9ull;
    return h >> (64 - kPlaceBits);
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
      first_(with_normalized(definition_.added, false)),
      normalized_(with_normalized(definition_.added, true)) {
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

void Encoder::piece(std::string_view piece, Room& room, Entry* entry, IdWriter& out) const {
  const int32_t whole = definition_.ignore_merges ? table_.find(piece) : -1;
  if (whole >= 0)
    room.ids.assign(1, whole);
  else
    merge_piece(piece, room);
  out.put(room.ids);
  if (!entry || room.ids.size() > Entry::kMostIds) return;
  entry->key = Room::key_of(piece);
  entry->length = static_cast<uint32_t>(piece.size());
  entry->count = static_cast<uint32_t>(room.ids.size());
  std::copy(room.ids.begin(), room.ids.end(), entry->ids);
}

// Takes 16 pieces at a time, so that the cache entries of all are prefetched before the first is used.
template <class Next>
void Encoder::pieces(Next next, Room& room, IdWriter& out) const {
  struct Ahead {
    std::string_view piece;
    Room::Key key;
    Entry* entry;
  };
  constexpr size_t kAhead = 16;
  Ahead ahead[kAhead];
  for (size_t count = kAhead; count == kAhead;) {
    for (count = 0; count < kAhead; ++count) {
      Ahead& a = ahead[count];
      a.piece = next();
      if (a.piece.empty()) break;
      a.entry = nullptr;
      if (a.piece.size() > Entry::kLongest) continue;
      a.key = Room::key_of(a.piece);
      a.entry = room.entries + Room::place(a.key);
      __builtin_prefetch(a.entry);
    }
    for (size_t i = 0; i < count; ++i) {
      const Ahead& a = ahead[i];
      if (a.entry && a.entry->length == a.piece.size() && a.entry->key == a.key)
        out.put({a.entry->ids, a.entry->count});
      else
        piece(a.piece, room, a.entry, out);
    }
  }
}

void Encoder::ordinary(std::string_view text, Room& room, IdWriter& out) const {
  if (pattern_) {
    Pattern::Pieces found(*pattern_, text);
    return pieces([&] { return found.next(); }, room, out);
  }
  const char *at = text.data(), *const end = at + text.size();
  pieces(
      [&] {
        const char* const begin = at;
        if (at < end) at = llama_.piece(at, end);
        return std::string_view(begin, static_cast<size_t>(at - begin));
      },
      room, out);
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
  if (const size_t invalid = first_invalid_utf8(text); invalid != kAllValid) fail("the text is not UTF-8 at byte {}", invalid);
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
