#include "plugins/dataset/indexed/pair_data.h"

#include <algorithm>
#include <cmath>

#include "corral/error.h"
#include "plugins/dataset/common/measure.h"
#include "plugins/dataset/common/permutation.h"

namespace corral::indexed {
namespace {
using data::kPartNames;
using data::kParts;
using data::RowSequence;

constexpr std::array<const char*, kParts> kPartKeys{"data.train_paths", "data.valid_paths", "data.test_paths"};

// The number of documents up to a share of all, rounded as Megatron does, so that parts are equal to Megatron's.
uint64_t cut(double share, uint64_t documents) { return static_cast<uint64_t>(std::nearbyint(share * static_cast<double>(documents))); }
}  // namespace

PairData::PairData(const PairDataOptions& options) : options_(options) {
  const auto& of_part = options_.paths_of_part;
  const bool apart = std::any_of(of_part.begin(), of_part.end(), [](const auto& paths) { return !paths.empty(); });
  if (options_.rows.seq_length < 1 || options_.rows.seq_length > 1u << 30)
    fail("train.seq_length = {}: expected 1 to 2^30", options_.rows.seq_length);
  if (options_.whole) {
    data::Source all;
    for (data::Source& source : data::parse_paths(options_.paths, pair_words("data.paths")))
      all.files.insert(all.files.end(), source.files.begin(), source.files.end());
    add_part("all", {all}, {0, 1}, 0);
  } else if (apart) {
    if (!options_.paths.empty())
      fail("data.paths and {}: name pairs for all parts together, or for each part",
           kPartKeys[of_part[0].empty() ? (of_part[1].empty() ? 2 : 1) : 0]);
    if (of_part[0].empty()) fail("{} is empty: if parts have their own pairs, training needs one", kPartKeys[0]);
    for (size_t part = 0; part < kParts; ++part)
      add_part(kPartNames[part],
               of_part[part].empty() ? std::vector<data::Source>() : data::parse_paths(of_part[part], pair_words(kPartKeys[part])), {0, 1},
               part);
  } else {
    const std::array<double, kParts> shares = data::parse_split(options_.split);
    const std::vector<data::Source> sources = data::parse_paths(options_.paths, pair_words("data.paths"));
    double from = 0;
    for (size_t part = 0; part < kParts; ++part) {
      add_part(kPartNames[part], shares[part] > 0 ? sources : std::vector<data::Source>(), {from, from + shares[part]}, part);
      from += shares[part];
    }
  }
  note_totals();
}

void PairData::add_part(const std::string& name, const std::vector<data::Source>& sources, const Range& range, size_t number) {
  parts_.emplace_back(options_.whole     ? RowSequence::Order::kOnce
                      : options_.shuffle ? RowSequence::Order::kShuffled
                                         : RowSequence::Order::kOfTheFile);
  data::PartInfo& info = infos_.emplace_back();
  info.name = name;
  for (size_t source = 0; source < sources.size(); ++source) {
    auto rows = std::make_unique<PairRows>(options_.rows);
    for (const std::string& prefix : sources[source].files) {
      const uint64_t documents = pair(prefix)->index.documents();
      rows->add(pair(prefix), std::min(cut(range.from, documents), documents), std::min(cut(range.to, documents), documents));
    }
    if (rows->rows() == 0) {
      notices_.push_back(format("{}{}: {} documents with {} tokens do not fill one row of train.seq_length + 1 = {}: left out", name,
                                sources.size() > 1 ? ", source " + std::to_string(source + 1) : "", rows->documents(), rows->tokens(),
                                options_.rows.seq_length + 1));
      continue;
    }
    info.rows += rows->rows();
    info.tokens += rows->tokens();
    info.documents += rows->documents();
    info.targets += options_.whole ? rows->tokens() - 1 : rows->rows() * options_.rows.seq_length;
    // Reading every token costs nothing extra if all are read anyway.
    if (options_.whole) info.unigram_entropy = data::measure_targets(*rows, options_.rows.seq_length).unigram_entropy;
    parts_.back().add(std::move(rows), sources[source].weight, data::mix(options_.seed ^ data::mix(source * kParts + number)));
  }
  if (number == 0 && info.rows == 0 && !sources.empty())
    fail("data.paths: the {} part is shorter than one sequence: {}; give more text or a smaller train.seq_length", name, notices_.back());
}

std::shared_ptr<const Pair> PairData::pair(const std::string& prefix) {
  std::shared_ptr<const Pair>& known = pairs_[prefix];
  if (!known) known = open_pair(prefix);
  return known;
}

void PairData::note_totals() {
  uint64_t documents = 0, tokens = 0;
  for (const auto& [prefix, pair] : pairs_) documents += pair->index.documents(), tokens += pair->index.tokens();
  notices_.insert(notices_.begin(),
                  format("{} {}, {} documents, {} tokens", pairs_.size(), pairs_.size() == 1 ? "pair" : "pairs", documents, tokens));
}

void PairData::fetch(size_t part, uint64_t first_row, uint64_t rows, const data::BatchOut& batch) const {
  if (parts_.at(part).empty()) fail("the {} part of the data has no rows", infos_[part].name);
  parts_[part].fetch(first_row, rows, options_.rows.seq_length, batch);
}

}  // namespace corral::indexed
