#include "plugins/tokenizer/common/trainer.h"

#include <algorithm>
#include <exception>
#include <queue>
#include <thread>
#include <unordered_map>

#include "corral/error.h"
#include "corral/utf8.h"
#include "plugins/tokenizer/common/added.h"
#include "plugins/tokenizer/common/byte_letters.h"
#include "plugins/tokenizer/common/llama_split.h"
#include "plugins/tokenizer/common/llama_tokens.h"
#include "plugins/tokenizer/common/word_counts.h"

namespace corral::tokenizer {
namespace {

constexpr uint32_t kSpecialTokens = 16, kMostIds = 1 << 24;
constexpr size_t kBatchBytes = 4 << 20;
// Longer pieces are counted in parts: a piece of megabytes would be scanned for every merge.
constexpr size_t kLongestWord = 1024;

// Counts the pieces of all documents; each thread has its own counts.
class Counter {
 public:
  Counter(unsigned threads, const std::vector<AddedToken>& special) : special_(special), counts_(threads) {}

  void add(std::string_view document) {
    ++number_;
    if (const size_t invalid = first_invalid_utf8(document); invalid != kAllValid)
      fail("document {} of the training text is not UTF-8 at its byte {}", number_, invalid);
    ends_.push_back(text_.append(document).size());
    if (text_.size() >= kBatchBytes * counts_.size()) count_batch();
  }

  WordCounts finish() {
    count_batch();
    WordCounts all = std::move(counts_[0]);
    for (size_t i = 1; i < counts_.size(); ++i) all.add(counts_[i]);
    return all;
  }

 private:
  // Each thread counts the documents that begin in its share of the bytes.
  void count_batch() {
    std::vector<std::jthread> workers;
    std::vector<std::exception_ptr> errors(counts_.size());
    const auto count_share = [&](size_t share) {
      try {
        const size_t begin = text_.size() * share / counts_.size(), end = text_.size() * (share + 1) / counts_.size();
        size_t at = 0;
        for (const size_t document_end : ends_) {
          if (at >= begin && at < end) count(std::string_view(text_).substr(at, document_end - at), counts_[share]);
          at = document_end;
        }
      } catch (...) {
        errors[share] = std::current_exception();
      }
    };
    for (size_t share = 1; share < counts_.size(); ++share) workers.emplace_back(count_share, share);
    count_share(0);
    workers.clear();
    for (const std::exception_ptr& error : errors)
      if (error) std::rethrow_exception(error);
    text_.clear();
    ends_.clear();
  }

  void count(std::string_view document, WordCounts& counts) const {
    for (size_t at = 0; at < document.size();) {
      const AddedFinder::Found found = special_.find(document, at);
      const char *begin = document.data() + at, *const end = document.data() + found.at;
      while (begin < end) {
        const char* after = split_.piece(begin, end);
        for (; begin < after; begin += std::min<size_t>(kLongestWord, static_cast<size_t>(after - begin)))
          counts.add({begin, std::min<size_t>(kLongestWord, static_cast<size_t>(after - begin))});
      }
      at = found.at + (found.token ? found.token->content.size() : 0);
    }
  }

  const AddedFinder special_;
  const LlamaSplit split_;
  std::vector<WordCounts> counts_;
  std::string text_;
  std::vector<size_t> ends_;
  size_t number_ = 0;
};

class Merger {
 public:
  Merger(const WordCounts& counts, Definition& definition) : definition_(definition) {
    int32_t byte_ids[256];
    for (size_t i = 0; i < 256; ++i) {
      const uint8_t byte = bytes_by_letter()[i];
      byte_ids[byte] = static_cast<int32_t>(i);
      add_token(std::string(1, static_cast<char>(byte)));
    }
    for (const WordCounts::Word& word : counts.sorted()) {
      words_.push_back({symbols_.size(), word.size, static_cast<int64_t>(word.count)});
      for (const char c : counts.text(word)) symbols_.push_back(byte_ids[static_cast<unsigned char>(c)]);
      count_pairs(words_.size() - 1);
    }
    for (const auto& [pair, place] : pairs_) queue_.push({place.count, pair});
  }

  // Merges until there are `ids` tokens or no pair is left.
  void run(size_t ids) {
    while (definition_.tokens.size() < ids && !queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(best.pair);
      const int64_t now = found == pairs_.end() ? 0 : found->second.count;
      if (now > 0 && now == best.count)
        merge(best.pair);
      else if (now > 0)
        queue_.push({now, best.pair});
    }
  }

 private:
  using Pair = uint64_t;  // left << 32 | right
  static Pair pair_of(int32_t left, int32_t right) { return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right); }

  struct Word {
    size_t begin;  // index into symbols_
    uint32_t size;
    int64_t count;
  };
  struct Place {
    int64_t count = 0;
    std::vector<uint32_t> words;  // words that contain the pair or did; the last may appear twice
  };
  struct Candidate {
    int64_t count;  // when it was queued; the pair may be rarer now
    Pair pair;
    bool operator<(const Candidate& other) const { return count != other.count ? count < other.count : pair > other.pair; }
  };

  int32_t add_token(const std::string& bytes) {
    const auto [found, added] = ids_.emplace(bytes, static_cast<int32_t>(definition_.tokens.size()));
    if (added) definition_.tokens.push_back(bytes);
    return found->second;
  }

  void count_pairs(size_t number) {
    const Word& word = words_[number];
    for (uint32_t i = 0; i + 1 < word.size; ++i) change(symbols_[word.begin + i], symbols_[word.begin + i + 1], number, word.count);
  }

  void change(int32_t left, int32_t right, size_t number, int64_t by) {
    Place& place = pairs_[pair_of(left, right)];
    place.count += by;
    if (by > 0 && (place.words.empty() || place.words.back() != number)) place.words.push_back(static_cast<uint32_t>(number));
  }

  void merge(Pair pair) {
    const auto left = static_cast<int32_t>(pair >> 32), right = static_cast<int32_t>(pair & 0xFFFFFFFFu);
    const int32_t both = add_token(definition_.tokens[static_cast<size_t>(left)] + definition_.tokens[static_cast<size_t>(right)]);
    definition_.merges.push_back({left, right, both, static_cast<uint32_t>(definition_.merges.size())});
    const std::vector<uint32_t> where = std::move(pairs_[pair].words);
    pairs_.erase(pair);
    more_frequent_.clear();
    for (const uint32_t number : where) merge_in(number, left, right, both);
    pairs_.erase(pair);  // merging overlapping pairs (a a a) decremented it again
    std::sort(more_frequent_.begin(), more_frequent_.end());
    more_frequent_.erase(std::unique(more_frequent_.begin(), more_frequent_.end()), more_frequent_.end());
    for (const Pair p : more_frequent_)
      if (const int64_t count = pairs_[p].count; count > 0) queue_.push({count, p});
  }

  void merge_in(uint32_t number, int32_t left, int32_t right, int32_t both) {
    Word& word = words_[number];
    int32_t* const symbols = symbols_.data() + word.begin;
    const auto more = [&](int32_t a, int32_t b) {
      change(a, b, number, word.count);
      more_frequent_.push_back(pair_of(a, b));
    };
    uint32_t to = 0;
    for (uint32_t from = 0; from < word.size; ++from, ++to) {
      if (from + 1 == word.size || symbols[from] != left || symbols[from + 1] != right) {
        symbols[to] = symbols[from];
        continue;
      }
      if (to > 0) {
        change(symbols[to - 1], left, number, -word.count);
        more(symbols[to - 1], both);
      }
      if (from + 2 < word.size) {
        change(right, symbols[from + 2], number, -word.count);
        more(both, symbols[from + 2]);
      }
      symbols[to] = both;
      ++from;
    }
    word.size = to;
  }

  Definition& definition_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<int32_t> symbols_;
  std::vector<Word> words_;
  std::unordered_map<Pair, Place> pairs_;
  std::priority_queue<Candidate> queue_;
  std::vector<Pair> more_frequent_;
};

}  // namespace

Definition train(const TrainSettings& settings, const std::function<bool(std::string_view& document)>& next) {
  const uint32_t least = 256 + kSpecialTokens;
  if (settings.vocab_size < least)
    fail("--vocab-size = {}: expected at least {}, 256 bytes and {} special tokens", settings.vocab_size, least, kSpecialTokens);
  if (settings.vocab_size > kMostIds) fail("--vocab-size = {}: expected at most {}", settings.vocab_size, kMostIds);
  Definition definition;
  definition.pattern = kLlamaPattern;
  definition.ignore_merges = true;
  const uint32_t first_special = settings.vocab_size - kSpecialTokens;
  for (const std::string& name : llama_special_tokens("3.1", kSpecialTokens))
    definition.added.push_back({static_cast<int32_t>(first_special + definition.added.size()), name, true, false});
  definition.prefix = {definition.added[0].id};

  Counter counter(settings.threads > 0 ? settings.threads : std::max(1u, std::thread::hardware_concurrency()), definition.added);
  for (std::string_view document; next(document);) counter.add(document);
  const WordCounts counts = counter.finish();
  Merger(counts, definition).run(first_special);
  if (definition.tokens.size() < first_special)
    fail("--vocab-size = {}: the text yields no more than {} ids\n       give more text, or --vocab-size {}", settings.vocab_size,
         definition.tokens.size() + kSpecialTokens, definition.tokens.size() + kSpecialTokens);
  definition.mergeable.resize(definition.tokens.size(), true);
  for (const AddedToken& t : definition.added) {
    definition.tokens.push_back(t.content);
    definition.mergeable.push_back(false);
  }
  return definition;
}

}  // namespace corral::tokenizer
