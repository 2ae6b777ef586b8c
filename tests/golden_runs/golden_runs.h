// For tests: runs the program on the models of tests/golden, in a folder that is removed at the end of the test.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "tests/golden_runs/tensor_file.h"
#include "tests/program/run_program.h"

namespace corral {
namespace fs = std::filesystem;
using nlohmann::json;

inline const std::string kGolden = CORRAL_SOURCE_DIR "/tests/golden/";

inline json read_json(const std::string& path) { return json::parse(std::ifstream(path)); }

inline std::vector<json> read_lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(json::parse(line));
  return rows;
}

inline double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return most;
}

// The largest difference of two tensors; infinite if their sizes differ.
inline double difference(const std::vector<double>& a, const std::vector<double>& b) {
  double most = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

class GoldenRuns : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("corral_golden_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    setenv("OMP_WAIT_POLICY", "passive", 1);  // tests run side by side: spinning threads would take the cores of others
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string text(const std::string& name) const { return text_of(path(name)); }
  int corral(const std::string& words) const { return run_program(words, path("out"), path("err")).code; }

  // Writes the first `rows` sequences of a golden as data. Its labels are shifted by one already, so each sequence gets one more token, its
  // last label. `moved` shifts the labels by one more: the fault that these tests must notice.
  std::string data(const std::map<std::string, FileTensor>& golden, bool moved = false, size_t rows = SIZE_MAX) const {
    const FileTensor &tokens = golden.at("tokens"), &labels = golden.at("labels"), &mask = golden.at("loss_mask");
    const auto length = static_cast<size_t>(tokens.shape.back());
    std::ofstream file(path("data.jsonl"));
    rows = std::min(rows, tokens.values.size() / length);
    for (size_t from = 0; from < rows * length; from += length) {
      json row{{"input_ids", json::array()}, {"labels", json::array({-100})}};
      for (size_t i = from; i < from + length; ++i) {
        row["input_ids"].push_back(static_cast<int>(tokens.values[i]));
        row["labels"].push_back(mask.values[i] != 0 ? static_cast<int>(labels.values[i]) : -100);
      }
      row["input_ids"].push_back(static_cast<int>(labels.values[from + length - 1]));
      if (moved) std::rotate(row["labels"].begin(), row["labels"].begin() + 1, row["labels"].end());
      file << row << "\n";
    }
    return path("data.jsonl");
  }

  // The logits that eval wrote, without the last token position of each sequence, which the golden does not have.
  std::vector<double> logits(const std::string& name) const {
    const FileTensor all = read_tensor_file(path(name)).at("logits");
    const auto row = static_cast<std::ptrdiff_t>(all.shape[1] * all.shape[2]), last = static_cast<std::ptrdiff_t>(all.shape[2]);
    std::vector<double> kept;
    for (auto at = all.values.begin(); at != all.values.end(); at += row) kept.insert(kept.end(), at, at + row - last);
    return kept;
  }

  // Evaluates the golden's sequences; writes the files `logits` and `gradients`.
  int evaluate(const std::string& model, const std::map<std::string, FileTensor>& golden, const std::string& precision) const {
    return corral("eval --checkpoint " + kGolden + "models/" + model + " --data " + data(golden) + " --seq-length " +
                  std::to_string(golden.at("tokens").shape.back() + 1) + " --precision " + precision + " --json --logits " +
                  path("logits") + " --gradients " + path("gradients"));
  }

  // Limits relative to the largest value of a tensor; the loss is absolute.
  struct Limits {
    double logits, gradients, loss;
  };

  void expect_forward(const std::string& model, const std::string& precision, const Limits& limits) const {
    const std::string name = kGolden + "expected/" + model + "/forward_" + precision;
    const auto golden = read_tensor_file(name + ".safetensors");
    ASSERT_EQ(evaluate(model, golden, precision), 0) << text("err");
    EXPECT_NEAR(json::parse(text("out"))["loss"].get<double>(), read_json(name + ".json")["loss"], limits.loss);
    const FileTensor& expected = golden.at("logits");
    EXPECT_LE(difference(logits("logits"), expected.values), limits.logits * largest(expected.values));
    const auto gradients = read_tensor_file(path("gradients"));
    size_t compared = 0;
    for (const auto& [tensor_name, tensor] : golden) {
      if (!tensor_name.starts_with("grad.")) continue;
      ++compared;
      ASSERT_TRUE(gradients.contains(tensor_name.substr(5))) << tensor_name;
      EXPECT_LE(difference(gradients.at(tensor_name.substr(5)).values, tensor.values), limits.gradients * largest(tensor.values))
          << tensor_name;
    }
    EXPECT_EQ(compared, gradients.size());
  }

  std::string training(const std::string& model, const std::string& precision, const std::string& run, const std::string& rest = "") const {
    return "pretrain --pretrained-checkpoint " + kGolden + "models/" + model + " --data " + path("data.jsonl") + " --precision " +
           precision + " --dir " + path(run) +
           " --seq-length 33 --train-iters 8 --global-batch-size 2 --lr 0.003 --min-lr 0.0003 --set data.split=100,0,0"
           " data.shuffle=false train.log_interval=1 optimizer.lr_warmup_iters=2 optimizer.lr_decay_iters=8 optimizer.weight_decay=0.1"
           " optimizer.adam_beta2=0.95 optimizer.adam_eps=1e-5 optimizer.clip_grad=1 " +
           rest;
  }

  // Trains eight steps and compares loss, gradient norm and rate of each with the golden.
  void expect_training(const std::string& model, const std::string& precision, double loss_limit, double norm_limit) {
    const std::string name = kGolden + "expected/" + model + "/train_" + precision;
    const json facts = read_json(name + ".json");
    data(read_tensor_file(name + ".safetensors"));
    ASSERT_EQ(corral(training(model, precision, "run")), 0) << text("err");
    const std::vector<json> metrics = read_lines(path("run") + "/metrics.jsonl");
    ASSERT_EQ(metrics.size(), 8u);
    for (size_t i = 0; i < 8; ++i) {
      const double loss = facts["losses"][i], norm = facts["grad_norms"][i], rate = facts["learning_rates"][i];
      EXPECT_NEAR(metrics[i]["loss"].get<double>(), loss, loss_limit) << "step " << i + 1;
      EXPECT_NEAR(metrics[i]["grad_norm"].get<double>(), norm, norm_limit * norm) << "step " << i + 1;
      EXPECT_NEAR(metrics[i]["lr"].get<double>(), rate, 1e-12) << "step " << i + 1;
    }
  }

  fs::path folder_;
};

}  // namespace corral
