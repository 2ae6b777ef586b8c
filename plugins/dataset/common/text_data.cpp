#include "plugins/dataset/common/text_data.h"

#include <algorithm>
#include <utility>

#include "corral/error.h"
#include "plugins/dataset/common/measure.h"
#include "plugins/dataset/common/paths.h"
#include "plugins/dataset/common/permutation.h"
#include "plugins/dataset/common/split.h"

namespace corral::data {
namespace {

// Collects the documents of one source that belong to one part, and makes rows of them.
class PartBuilder {
 public:
  PartBuilder(const Corpus& corpus, const Encoder& encoder, const TextDataOptions& options) : corpus_(corpus), encoder_(encoder) {
    if (corpus.ids) {
      given_ = std::make_unique<GivenRows>();
      given_->ids = TokenStore(narrow());
      return;
    }
    stream_ = std::make_unique<StreamRows>();
    stream_->stream = TokenStore(narrow());
    stream_->seq_length = options.seq_length;
    stream_->end_of_text = encoder.end_of_text;
    stream_->reset_positions = options.reset_positions;
    stream_->keep_tail = options.whole;
  }

  // Adds the documents of a block for which takes(hash) is true.
  template <class Takes>
  void add(const Block& block, Takes takes) {
    size_t token = 0, label = 0;
    for (const Document& document : block.documents) {
      if (takes(document.hash)) add(block, document, token, label);
      token += document.tokens;
      label += document.has_labels ? document.tokens : 0;
    }
  }

  std::unique_ptr<Rows> finish(uint64_t seq_length) {
    std::unique_ptr<Rows> rows = given_ ? std::unique_ptr<Rows>(std::move(given_)) : std::move(stream_);
    const Targets targets = measure_targets(*rows, seq_length);
    info.rows = rows->rows();
    info.targets = targets.count;
    info.unigram_entropy = targets.unigram_entropy;
    if (!corpus_.ids && info.rows > 0) info.bytes = bytes_of_targets(info.tokens - 1 - targets.count);
    return rows;
  }

  PartInfo info;

 private:
  void add(const Block& block, const Document& document, size_t token, size_t label) {
    ++info.documents;
    info.tokens += document.tokens;
    if (given_) {
      given_->add(block.tokens, token, document.tokens, {block.labels.data() + label, document.has_labels ? document.tokens : 0});
      return;
    }
    stream_->stream.append(block.tokens, token, document.tokens);
    documents_.push_back({&block, &document});
  }

  bool narrow() const { return encoder_.num_ids > 0 && encoder_.num_ids <= 65536; }

  // The bytes of all tokens but the first, which is not a target, and the last `left_out`.
  uint64_t bytes_of_targets(uint64_t left_out) const {
    uint64_t bytes = 0;
    for (const auto& [block, document] : documents_) bytes += document->bytes;
    const auto& [first_block, first] = documents_.front();
    if (first->bytes > 0) bytes -= bytes_of_prefix(corpus_.text(*first_block, *first), 1, encoder_);
    for (auto it = documents_.rbegin(); left_out > 0; ++it) {
      const auto& [block, document] = *it;
      if (left_out < document->tokens)
        return bytes - bytes_of_suffix(corpus_.text(*block, *document), left_out - (encoder_.end_of_text >= 0), encoder_);
      left_out -= document->tokens;
      bytes -= document->bytes;
    }
    return bytes;
  }

  const Corpus& corpus_;
  const Encoder& encoder_;
  std::unique_ptr<GivenRows> given_;
  std::unique_ptr<StreamRows> stream_;
  std::vector<std::pair<const Block*, const Document*>> documents_;
};

Splitter make_splitter(const Corpus& corpus, const std::array<double, kParts>& shares) {
  std::vector<uint64_t> hashes;
  for (const Block& block : corpus.blocks)
    for (const Document& document : block.documents) hashes.push_back(document.hash);
  return Splitter(std::move(hashes), shares);
}

void add_to(PartInfo& sum, const PartInfo& info) {
  const double nats = sum.unigram_entropy * static_cast<double>(sum.targets) + info.unigram_entropy * static_cast<double>(info.targets);
  const bool bytes_known = info.bytes > 0 && (sum.rows == 0 || sum.bytes > 0);
  sum.rows += info.rows;
  sum.tokens += info.tokens;
  sum.targets += info.targets;
  sum.documents += info.documents;
  sum.bytes = bytes_known ? sum.bytes + info.bytes : 0;
  sum.unigram_entropy = sum.targets > 0 ? nats / static_cast<double>(sum.targets) : 0;
}

void check(const TextDataOptions& options, const Encoder& encoder) {
  if (options.seq_length < 1 || options.seq_length > 1u << 30)
    fail("train.seq_length = " + std::to_string(options.seq_length) + ": expected 1 to 2^30");
  if (options.reset_positions && encoder.encode && encoder.end_of_text < 0)
    fail("data.reset_positions=true needs a tokenizer with an end-of-text token, and this one has none");
}
}  // namespace

TextData::TextData(const TextDataOptions& options, const Encoder& encoder) : options_(options) {
  check(options, encoder);
  const std::array<double, kParts> shares = options.whole ? std::array<double, kParts>{1, 0, 0} : parse_split(options.split);
  std::vector<Source> sources = parse_paths(options.paths);
  std::vector<std::string> files;
  std::vector<size_t> source_of_file;
  for (size_t i = 0; i < sources.size(); ++i)
    for (const std::string& file : sources[i].files) files.push_back(file), source_of_file.push_back(options.whole ? 0 : i);
  if (options.whole) sources.resize(1);

  const Corpus corpus = Corpus::read(files, {.seq_length = options.seq_length, .seed = options.seed, .threads = options.threads}, encoder);
  note_totals(corpus);
  const Splitter splitter = make_splitter(corpus, shares);
  for (size_t part = 0; part < (options.whole ? 1 : kParts); ++part) {
    parts_.emplace_back(options.whole     ? RowSequence::Order::kOnce
                        : options.shuffle ? RowSequence::Order::kShuffled
                                          : RowSequence::Order::kOfTheFile);
    infos_.push_back({.name = options.whole ? "all" : kPartNames[part]});
    for (size_t source = 0; source < sources.size(); ++source) {
      PartBuilder builder(corpus, encoder, options);
      for (const Block& block : corpus.blocks)
        if (source_of_file[block.file] == source)
          builder.add(block, [&](uint64_t hash) { return splitter.part(hash) == static_cast<int>(part); });
      std::unique_ptr<Rows> rows = builder.finish(options.seq_length);
      if (builder.info.rows > 0) {
        add_to(infos_.back(), builder.info);
        parts_.back().add(std::move(rows), sources[source].weight, mix(options.seed ^ mix(source * kParts + part)));
      } else if (shares[part] > 0) {
        notices_.push_back(infos_.back().name + (sources.size() > 1 ? ", source " + std::to_string(source + 1) : "") + ": " +
                           std::to_string(builder.info.documents) + " documents with " + std::to_string(builder.info.tokens) +
                           " tokens do not fill one row of train.seq_length + 1 = " + std::to_string(options.seq_length + 1) +
                           ": left out");
      }
    }
  }
  if (shares[0] > 0 && infos_[0].rows == 0)
    fail("data.paths: the " + infos_[0].name + " part is shorter than one sequence: " + notices_[1] +
         "; give more text or a smaller train.seq_length");
}

void TextData::note_totals(const Corpus& corpus) {
  uint64_t documents = 0, tokens = 0, bytes = 0;
  for (const Block& block : corpus.blocks) {
    documents += block.documents.size();
    for (const Document& document : block.documents) tokens += document.tokens, bytes += document.bytes;
  }
  notices_.push_back(std::to_string(corpus.files.size()) + (corpus.files.size() == 1 ? " file, " : " files, ") + std::to_string(documents) +
                     (corpus.ids ? " rows of ids, " : " documents, ") + (corpus.ids ? "" : std::to_string(bytes) + " bytes, ") +
                     std::to_string(tokens) + " tokens");
}

const RowSequence& TextData::with_rows(size_t part) const {
  if (parts_.at(part).empty()) fail("the " + infos_[part].name + " part of the data has no rows");
  return parts_[part];
}

void TextData::fetch(size_t part, uint64_t first_row, uint64_t rows, const BatchOut& batch) const {
  with_rows(part).fetch(first_row, rows, options_.seq_length, batch);
}

}  // namespace corral::data
