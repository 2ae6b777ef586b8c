// For tests: a small model in training with the built plugins, on the CPU: its graph, a session, a batch, the states that a save contains.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernel/passes/autodiff.h"
#include "kernel/passes/group_updates.h"
#include "kernel/passes/step_sums.h"
#include "kernel/plugin/optimizer.h"
#include "kernel/plugin/precision.h"
#include "kernel/runtime/initialize.h"
#include "kernel/train/step.h"
#include "tests/conformance/load_device.h"
#include "tests/unit/passes_small_model.h"

namespace corral {

inline std::string built_plugin(const std::string& plugin) {
  return CORRAL_BINARY_DIR "/plugins/" + plugin + "/" + plugin.substr(plugin.find('/') + 1) + ".so";
}

inline Graph small_training_graph(const std::string& precision, const std::string& optimizer_options) {
  Graph g = small_model(false, 6, 12);
  for (State& s : g.states) {
    s.init = InitKind::NORMAL;
    s.init_scale = 0.3;
  }
  const PrecisionHandle in(load_built(built_plugin("precision/" + precision), CORRAL_PRECISION_ID));
  const OptimizerHandle optimizer(load_built(built_plugin("optimizer/adamw"), CORRAL_OPTIMIZER_ID));
  return optimizer.transform(passes::step_sums(in.transform(passes::autodiff(std::move(g)), "")), optimizer_options);
}

class SmallTraining {
 public:
  explicit SmallTraining(const std::string& precision, const std::string& optimizer_options = "", bool grouped = true)
      : session_(load_device(built_plugin("device/cpu")),
                 {{"train", grouped ? passes::group_updates(small_training_graph(precision, optimizer_options))
                                    : small_training_graph(precision, optimizer_options)}}),
        step_((start(session_), session_), "train", 1) {}

  runtime::Session& session() { return session_; }
  train::Step& step() { return step_; }

  // Every fourth token position has no target; all others count alike.
  train::Batch batch() const {
    train::Batch b(step_.rows(), step_.seq_length());
    for (size_t i = 0; i < b.tokens.size(); ++i) {
      b.tokens[i] = static_cast<int32_t>(i * 5 % 13);
      b.targets[i] = i % 4 == 3 ? -1 : static_cast<int32_t>(i * 7 % 13);
      b.positions[i] = static_cast<int32_t>(i % static_cast<size_t>(b.seq_length));
      b.weights[i] = b.targets[i] < 0 ? 0 : 1;
    }
    return b;
  }

  // One step of these micro-batches.
  train::StepResult train(const std::vector<train::Batch>& batches) {
    forward_backward(batches);
    update();
    return step_.finish();
  }
  void forward_backward(const std::vector<train::Batch>& batches) {
    const auto count = static_cast<int64_t>(batches.size());
    for (int64_t i = 0; i < count; ++i)
      step_.forward_backward(batches[static_cast<size_t>(i)], updates_, i, count, static_cast<uint64_t>(i * step_.rows()));
  }
  void update() {
    ++updates_;
    step_.update({{"lr", 0.01}, {"step", static_cast<double>(updates_)}});
  }

  // Bytes of every saved state, by name.
  std::map<std::string, std::vector<char>> saved() {
    std::map<std::string, std::vector<char>> all;
    const Graph& g = session_.graph("train");
    for (const State& s : g.states) {
      if (!s.saved) continue;
      const runtime::TensorRef t = session_.tensor("train", s.tensor);
      std::vector<char>& bytes = all[name_of(g, s.tensor)];
      bytes.resize(t.bytes());
      session_.read(t, bytes.data(), bytes.size());
    }
    return all;
  }

 private:
  static void start(runtime::Session& session) {
    session.allocate();
    runtime::initialize_parameters(session, 1);
  }

  runtime::Session session_;
  train::Step step_;
  uint64_t updates_ = 0;
};

}  // namespace corral
