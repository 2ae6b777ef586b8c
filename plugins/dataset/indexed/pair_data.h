// A dataset of indexed pairs: its parts, their shares and sources.
#pragma once
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/dataset/common/row_sequence.h"
#include "plugins/dataset/common/split.h"
#include "plugins/dataset/common/text_data.h"
#include "plugins/dataset/indexed/pair_rows.h"

namespace corral::indexed {

struct PairDataOptions {
  std::vector<std::string> paths;                                      // as in data.paths
  std::array<std::vector<std::string>, data::kParts> paths_of_part{};  // instead of `paths` and `split`
  std::string split = "98,1,1";
  bool shuffle = true;
  bool whole = false;  // a single part, "all", in file order; the last row padded, rows past the end without targets
  uint64_t seed = 0;
  PairRows::Settings rows;
};

class PairData {
 public:
  explicit PairData(const PairDataOptions& options);

  const std::vector<data::PartInfo>& parts() const { return infos_; }
  const std::vector<std::string>& notices() const { return notices_; }
  bool sees_all_before() const { return !options_.rows.reset_positions; }
  void fetch(size_t part, uint64_t first_row, uint64_t rows, const data::BatchOut& batch) const;  // any thread; allocates nothing

 private:
  // The documents of a pair that belong to a part, as shares of all documents.
  struct Range {
    double from, to;
  };
  void add_part(const std::string& name, const std::vector<data::Source>& sources, const Range& range, size_t number);
  std::shared_ptr<const Pair> pair(const std::string& prefix);
  void note_totals();

  PairDataOptions options_;
  std::map<std::string, std::shared_ptr<const Pair>> pairs_;
  std::vector<data::RowSequence> parts_;
  std::vector<data::PartInfo> infos_;
  std::vector<std::string> notices_;
};

}  // namespace corral::indexed
