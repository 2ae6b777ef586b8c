#include "kernel/plugin/dataset.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <thread>

#include "bin/validate/check.h"
#include "corral/error.h"

namespace corral::validate {
namespace {

constexpr int64_t kLength = 8;
constexpr uint64_t kRows = 30;

// Converts rows to the plugin's own files if it builds such, else returns the rows.
std::string own_form(const Subject& s, const std::shared_ptr<const Plugin>& plugin, const std::string& rows) {
  static int number = 0;
  DatasetBuildRequest request;
  request.options = s.options();
  request.paths = {rows};
  request.out = format("{}/data-{}", s.scratch, ++number);
  request.end_of_text_id = -1;
  request.threads = 1;
  try {
    return build_dataset(*plugin, request, nullptr).path;
  } catch (const Unsupported&) {
    return rows;
  }
}

// Opens rows of ids, which need no tokenizer.
DatasetHandle open(const Subject& s, const std::shared_ptr<const Plugin>& plugin, bool shuffle) {
  const std::string path = s.scratch + "/data.jsonl";
  std::ofstream file(path);
  for (uint64_t row = 0; row < kRows; ++row) {
    file << "{\"input_ids\": [";
    for (int64_t i = 0; i < kLength; ++i) file << (i ? ", " : "") << row * kLength + static_cast<uint64_t>(i);
    file << "]}\n";
  }
  file.close();
  DatasetRequest request;
  request.options = s.options();
  request.paths = {own_form(s, plugin, path)};
  request.split = "100,0,0";
  request.shuffle = shuffle;
  request.seed = s.seed;
  request.seq_length = kLength;
  request.end_of_text_id = -1;
  request.threads = 1;
  return DatasetHandle::open(plugin, request, nullptr);
}

struct Rows {
  std::vector<int32_t> tokens, targets, positions, first_key;
  std::vector<float> weights;
  bool operator==(const Rows&) const = default;
};

Rows fetch(const DatasetHandle& data, uint64_t first, uint64_t rows) {
  const std::vector<int32_t> none(rows * static_cast<uint64_t>(kLength), -7);
  Rows r{none, none, none, none, std::vector<float>(none.size())};
  data.fetch(0, first, rows, r.tokens.data(), r.targets.data(), r.positions.data(), r.first_key.data(), r.weights.data());
  return r;
}

void exercise(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const DatasetHandle data = open(s, plugin, true);
  data.info();
  fetch(data, 0, 3);
}

Outcome pure(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const DatasetHandle data = open(s, plugin, true);
  constexpr uint64_t kFrom = 7, kMany = 50;  // beyond the end of the data: the sequence of rows does not end
  const Rows all = fetch(data, kFrom, kMany);
  if (fetch(data, kFrom, kMany) != all) return failed("the same rows differ the second time");
  Rows other;
  std::thread([&] { other = fetch(data, kFrom, kMany); }).join();
  if (other != all) return failed("the same rows differ in another thread");
  for (uint64_t row = kMany; row-- > 0;) {
    const Rows one = fetch(data, kFrom + row, 1);
    for (size_t i = 0; i < one.tokens.size(); ++i)
      if (one.tokens[i] != all.tokens[row * one.tokens.size() + i])
        return failed(format("row {} fetched alone differs from the same row fetched with others", kFrom + row));
  }
  if (fetch(open(s, plugin, true), kFrom, kMany) != all) return failed("the same data opened again has different rows");
  for (const std::vector<int32_t>* array : {&all.tokens, &all.positions, &all.first_key})
    for (const int32_t v : *array)
      if (v < 0) return failed(format("a token position was not filled, or contains {}", v));
  for (const float weight : all.weights)
    if (!(weight >= 0 && std::isfinite(weight))) return failed(format("a target has the weight {}: expected 0 or more", weight));
  return pass();
}

Outcome file_order(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const DatasetHandle data = open(s, plugin, false);
  try {
    data.inspect({});
    return skip("its rows are samples, not the file's tokens one after the other");
  } catch (const Unsupported&) {
  }
  // One token of a stream may be a target only.
  const uint64_t whole = std::min(kRows, data.info().parts.at(0).rows);
  if (whole + 1 < kRows) return failed(format("it has {} of {} rows of ids", whole, kRows));
  const Rows rows = fetch(data, 0, whole);
  for (size_t i = 0; i < rows.tokens.size(); ++i)
    if (rows.tokens[i] != static_cast<int32_t>(i)) return failed(format("token {} of the file is {}, not {}", i, rows.tokens[i], i));
  return pass();
}

Outcome texts(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  uint64_t most = 0, promised = 0;
  const DatasetHandle data = open(s, plugin, true);
  promised = data.info().texts;
  const Rows rows = fetch(data, 0, kRows);
  for (uint64_t row = 0; row < kRows; ++row) {
    const auto begin = rows.first_key.begin() + static_cast<std::ptrdiff_t>(row) * kLength;
    most = std::max<uint64_t>(most, std::set<int32_t>(begin, begin + kLength).size());
  }
  if (promised == 0) return skip("it does not say how many texts a row contains");
  return most <= promised ? pass() : failed(format("a row contains {} texts, and it says {} at most", most, promised));
}

constexpr Check kChecks[] = {
    {"dataset.pure", "a row depends only on its number, not on other rows, repetition or the thread", with_plugin<pure>},
    {"dataset.texts", "a row contains no more texts than the plugin says", with_plugin<texts>},
    {"dataset.order", "without shuffling, rows come in the order of the file", with_plugin<file_order>},
};

}  // namespace

extern const Kind kind_dataset;
const Kind kind_dataset{"dataset", CORRAL_DATASET_ID, CORRAL_SIZE(corral_dataset), exercise, kChecks};

}  // namespace corral::validate
