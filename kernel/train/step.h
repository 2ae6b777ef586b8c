// One training step: micro-batches forward and backward, then the update. Queues its work; the host reads the step's sums later.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/runtime/readback.h"
#include "kernel/runtime/session.h"
#include "kernel/train/batch.h"

namespace corral::train {

struct StepResult {
  double loss_sum = 0;    // weighted nats over all targets of the global batch
  double weight_sum = 0;  // of these targets
  uint64_t targets = 0;   // their number; of an evaluation only
  double grad_norm = 0;
  std::chrono::steady_clock::time_point done{};  // when the host first saw the update finished
  double loss() const { return weight_sum > 0 ? loss_sum / weight_sum : 0; }
};

// Sums of one sequence.
struct RowLoss {
  double loss = 0, weight = 0;
  int64_t targets = 0;
};

// Runs the named graph of an allocated session. Allocates only in its constructor.
class Step {
 public:
  Step(runtime::Session& session, std::string_view graph, uint64_t seed);

  int64_t rows() const { return rows_; }  // sequences of a micro-batch
  int64_t seq_length() const { return seq_length_; }

  // Queues forward and backward of micro-batch `index` of `count`, adding to the gradients and to the step's sums. `first_row` numbers its
  // sequences in the global batch.
  void forward_backward(const Batch& batch, uint64_t step, int64_t index, int64_t count, uint64_t first_row);
  // Queues the update with the values of the optimizer's step inputs, such as lr, and a copy of the step's sums for `finish`. At most two
  // updates may be unfinished.
  void update(const std::vector<std::pair<std::string, double>>& values);
  // Waits for the oldest unfinished update and reads its sums. Does not wait for later work.
  StepResult finish();

  // Runs the nodes that depend on parameters only. Call once after each change of parameters, before `forward`.
  void prepare() { session_.run(prepare_); }
  // Runs the forward phase of a graph with the output `losses`, then collects its sums.
  void forward(const Batch& batch, StepResult& result, std::vector<RowLoss>* each = nullptr);
  // Adds the sums of the last micro-batch to `result`. If `each` is given, appends one RowLoss per sequence. The graph needs the output
  // `losses`.
  void collect(const Batch& batch, StepResult& result, std::vector<RowLoss>* each = nullptr);

 private:
  // The sums of one update on their way to the host.
  struct Sums {
    Sums(const runtime::Session& session, std::vector<runtime::TensorRef> tensors) : readback(session, std::move(tensors)) {}
    runtime::Readback readback;
    bool passed = false;  // the copy was done when queued: the device is synchronous
    std::chrono::steady_clock::time_point done;
  };

  void feed(const Batch& batch, uint64_t step, uint64_t first_row);
  void write_scalar(const runtime::TensorRef& to, double value);

  runtime::Session& session_;
  uint64_t seed_;
  int64_t rows_, seq_length_;
  size_t micro_[2][2], update_, forward_, prepare_;  // micro_[first][last]
  runtime::TensorRef tokens_, targets_, positions_, first_key_, last_key_, weights_, token_index_, seed_input_, losses_;
  bool has_token_index_, has_seed_;
  bool accumulates_ = true;  // gradients over several micro-batches
  std::vector<std::pair<std::string, runtime::TensorRef>> scalars_;
  std::vector<std::unique_ptr<Sums>> sums_;  // two for a training graph, used in turn; none for other graphs
  uint64_t updates_ = 0, finished_ = 0;
  std::vector<float> loss_values_;
  std::vector<int64_t> token_numbers_;
};

}  // namespace corral::train
