#include "plugins/dataset/indexed/build.h"

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>

#include "corral/error.h"
#include "plugins/dataset/common/parallel.h"
#include "plugins/dataset/common/paths.h"
#include "plugins/dataset/indexed/pair_writer.h"

namespace corral::indexed {
namespace {
// Lets threads pass in the order of their block numbers. If one fails, none with a higher number passes.
class Turnstile {
 public:
  template <class F>
  void pass(size_t number, F&& body) {
    std::unique_lock lock(mutex_);
    turn_.wait(lock, [&] { return next_ == number || failed_ < number; });
    if (failed_ < number) return;
    body();
    ++next_;
    turn_.notify_all();
  }
  void close_after(size_t number) {
    const std::lock_guard lock(mutex_);
    failed_ = std::min(failed_, number);
    turn_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable turn_;
  size_t next_ = 0, failed_ = SIZE_MAX;
};

// A block's documents in the form of the files.
struct Sequences {
  std::string tokens;
  std::vector<int32_t> lengths;
};

Sequences sequences_of(const data::Block& block, const TokenType& type) {
  Sequences made;
  made.tokens.resize(block.tokens.size() * type.bytes);
  constexpr size_t kAtOnce = 4096;
  int32_t ids[kAtOnce];
  for (size_t at = 0; at < block.tokens.size(); at += kAtOnce) {
    const size_t count = std::min(kAtOnce, block.tokens.size() - at);
    for (size_t i = 0; i < count; ++i) ids[i] = block.tokens[at + i];
    type.write(ids, count, made.tokens.data() + at * type.bytes);
  }
  for (const data::Document& document : block.documents) made.lengths.push_back(static_cast<int32_t>(document.tokens));
  return made;
}

void require_plain(const std::string& file, const data::Block& block) {
  for (const data::Document& document : block.documents) {
    if (document.has_labels)
      fail("{}: a row has labels, which a pair cannot store: leave them out, or train on the JSONL file itself", file);
    if (document.tokens > static_cast<uint32_t>(std::numeric_limits<int32_t>::max()))
      fail("{}: a document of {} tokens; a pair's sequence has at most {}", file, document.tokens, std::numeric_limits<int32_t>::max());
  }
}
}  // namespace

Built build_pair(const BuildOptions& options, const data::Encoder& encoder) {
  const std::vector<data::Source> sources = data::parse_paths(options.paths);
  if (sources.size() > 1 || sources[0].weight != 1) fail("data.paths: weights have no effect here: a pair contains each document once");
  const std::vector<std::string>& files = sources[0].files;
  const unsigned threads = options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  const data::ReadSettings settings{.seq_length = std::numeric_limits<int32_t>::max(), .block_bytes = options.block_bytes};

  PairWriter writer(options.prefix, token_type_for(encoder.num_ids));
  std::vector<data::Block> blocks = data::plan_blocks(files, options.block_bytes);
  Built built;
  Turnstile turnstile;
  data::Block first;  // the kind of rows that all other blocks must have
  std::string first_file;
  data::in_parallel(blocks.size(), threads, [&](size_t i) {
    try {
      data::Block block = std::move(blocks[i]);
      const std::string& file = files[block.file];
      data::read_block(file, settings, encoder, block);
      require_plain(file, block);
      const Sequences made = sequences_of(block, writer.type());
      turnstile.pass(i, [&] {
        if (block.documents.empty()) return;
        if (first_file.empty()) first_file = file, first.ids = block.ids;
        data::require_same_rows(file, block, first_file, first);
        writer.add(made.tokens, made.lengths);
        built.tokens += block.tokens.size();
        for (const data::Document& document : block.documents) built.bytes += document.bytes;
      });
    } catch (...) {
      turnstile.close_after(i);
      throw;
    }
  });
  if (writer.documents() == 0) fail("data.paths: no document in {}", files.front());
  writer.finish();
  built.documents = writer.documents();
  built.type = writer.type().name;
  return built;
}

}  // namespace corral::indexed
