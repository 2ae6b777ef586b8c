// For tests: files of samples and chats, and the program's loss and gradients on them.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/golden_runs/killed_runs.h"

namespace corral {
using ordered = nlohmann::ordered_json;  // the order of a tool's keys is part of its text

inline const std::string kTokenizer = " --tokenizer " + kGolden + "models/llama3 ";

inline std::vector<ordered> questions(int count) {
  std::vector<ordered> all;
  for (int i = 0; i < count; ++i) all.push_back({{"prompt", "What is " + std::to_string(i) + "?"}, {"completion", std::to_string(i * i)}});
  return all;
}

// Random samples of 1 to 33 token positions with some targets. `places` gets the sum of their positions.
inline std::vector<ordered> random_samples(size_t& places) {
  std::mt19937 random(7);
  std::vector<ordered> all;
  places = 0;
  for (int i = 0; i < 24; ++i) {
    const size_t length = 1 + random() % 33;
    ordered row{{"input_ids", ordered::array()}, {"labels", ordered::array()}};
    for (size_t t = 0; t <= length; ++t) {
      row["input_ids"].push_back(random() % 320);
      row["labels"].push_back(random() % 3 ? row["input_ids"].back() : ordered(-100));
    }
    places += length;
    all.push_back(std::move(row));
  }
  return all;
}

class Samples : public KilledRuns {
 protected:
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name)) << content;
    return path(name);
  }
  std::string rows(const std::vector<ordered>& all) const {
    std::string lines;
    for (const ordered& row : all) lines += row.dump() + "\n";
    return write("rows.jsonl", lines);
  }
  // Loss and gradients on the samples of `file`. `model` is a path, which --adapter PATH may follow.
  std::pair<double, std::map<std::string, FileTensor>> evaluate(const std::string& model, const std::string& file, int seq_length,
                                                                const std::string& rest) const {
    EXPECT_EQ(corral("eval --checkpoint " + model + " --dataset sft --data " + file + " --precision fp32 --json --seq-length " +
                     std::to_string(seq_length) + " --gradients " + path("gradients") + " " + rest),
              0)
        << text("err");
    return {json::parse(text("out"))["loss"].get<double>(), read_tensor_file(path("gradients"))};
  }
};

inline void expect_equal(const std::map<std::string, FileTensor>& a, const std::map<std::string, FileTensor>& b,
                         const std::string& prefix = "") {
  size_t compared = 0;
  for (const auto& [name, tensor] : b) {
    if (!name.starts_with(prefix)) continue;
    ++compared;
    ASSERT_TRUE(a.contains(name.substr(prefix.size()))) << name;
    EXPECT_LE(difference(a.at(name.substr(prefix.size())).values, tensor.values), 1e-5 * largest(tensor.values)) << name;
  }
  EXPECT_EQ(compared, a.size());
}

}  // namespace corral
