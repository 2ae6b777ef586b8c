// One training step: micro-batches forward and backward, sums, then the update.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/runtime/session.h"
#include "kernel/train/batch.h"

namespace corral::train {

struct StepResult {
  double loss_sum = 0;    // weighted nats over all targets of the global batch
  double weight_sum = 0;  // of these targets
  uint64_t targets = 0;   // their number; of an evaluation only
  uint64_t tokens = 0;
  double grad_norm = 0;
  double loss() const { return weight_sum > 0 ? loss_sum / weight_sum : 0; }
};

// Sums of one sequence.
struct RowLoss {
  double loss = 0, weight = 0;
  int64_t targets = 0;
};

// Runs over the graph `graph` of an allocated session. Allocates only when it is made.
class Step {
 public:
  Step(runtime::Session& session, size_t graph, uint64_t seed);

  int64_t rows() const { return rows_; }  // of a micro-batch
  int64_t seq_length() const { return seq_length_; }

  // Runs forward and backward of micro-batch `index` of `count`, adding to the gradients and to the step's sums. `first_row` numbers its
  // sequences in the global batch. A graph with the output `losses` gives its sums to `result` at once, and appends those of every sequence
  // to `each`; a training graph gives them with `update`.
  void forward_backward(const Batch& batch, uint64_t step, int64_t index, int64_t count, uint64_t first_row, StepResult& result,
                        std::vector<RowLoss>* each = nullptr);
  // Runs the nodes that depend on parameters only. Call once after each change of parameters, before `forward`.
  void prepare() { session_.run(prepare_); }
  // Runs the forward phase of a graph with the output `losses`.
  void forward(const Batch& batch, StepResult& result, std::vector<RowLoss>* each = nullptr);
  // Updates the parameters with the values of the optimizer's step inputs, such as lr, and reads the sums of the step.
  void update(const std::vector<std::pair<std::string, double>>& values, StepResult& result);

 private:
  void feed(const Batch& batch, uint64_t step, uint64_t first_row);
  void collect(const Batch& batch, StepResult& result, std::vector<RowLoss>* each);
  void write_scalar(const runtime::TensorRef& to, double value);

  runtime::Session& session_;
  size_t graph_;
  uint64_t seed_;
  int64_t rows_, seq_length_;
  size_t micro_[2][2], update_, forward_, prepare_;  // micro_[first][last]
  runtime::TensorRef tokens_, targets_, positions_, first_key_, weights_, token_index_, seed_input_, losses_;
  runtime::TensorRef loss_sum_, weight_sum_, grad_norm_;  // states of a training graph
  bool has_token_index_, has_seed_;
  bool sums_ = true;  // gradients over several micro-batches
  std::vector<std::pair<std::string, runtime::TensorRef>> scalars_;
  std::vector<float> loss_values_;
  std::vector<int64_t> token_numbers_;
};

}  // namespace corral::train
