#include "kernel/train/step.h"

#include <algorithm>

#include "corral/error.h"
#include "kernel/passes/accumulation.h"

namespace corral::train {

Step::Step(runtime::Session& session, std::string_view graph, uint64_t seed)
    : session_(session), seed_(seed), tokens_(session.input(graph, "tokens")) {
  rows_ = tokens_.shape[0];
  seq_length_ = tokens_.shape[1];
  targets_ = session.input(graph, "targets");
  positions_ = session.input(graph, "positions");
  first_key_ = session.input(graph, "first_key");
  if (session.has_input(graph, "weights")) weights_ = session.input(graph, "weights");
  if (session.has_output(graph, "losses")) losses_ = session.output(graph, "losses");
  last_key_ = session.input(graph, "last_key");
  if ((has_token_index_ = session.has_input(graph, "token_index"))) token_index_ = session.input(graph, "token_index");
  if ((has_seed_ = session.has_input(graph, "seed"))) seed_input_ = session.input(graph, "seed");
  if (const Graph& g = session.graph(graph); find_state(g, "grad_norm")) {
    std::vector<runtime::TensorRef> sums;
    for (const char* name : {"loss_sum", "weight_sum", "grad_norm"}) sums.push_back(session.tensor(graph, find_state(g, name)));
    for (int i = 0; i < 2; ++i) sums_.push_back(std::make_unique<Sums>(session, sums));
  }
  const std::vector<bool> made = passes::made_within_step(session.graph(graph));
  accumulates_ = std::find(made.begin(), made.end(), true) == made.end();
  for (const Port& p : session.graph(graph).inputs) {
    const runtime::TensorRef t = session.tensor(graph, p.tensor);
    if (t.shape == Shape{1}) scalars_.emplace_back(session.graph(graph).names[p.name], t);
  }
  for (const bool first : {false, true})
    for (const bool last : {false, true})
      micro_[first][last] = session.program(graph, [&](const Node& n) {
        return n.phase != Phase::UPDATE && (n.when == When::EVERY || (n.when == When::FIRST && first) || (n.when == When::LAST && last));
      });
  update_ = session.program(graph, [](const Node& n) { return n.phase == Phase::UPDATE; });
  forward_ = session.program(graph, [](const Node& n) { return n.phase == Phase::FORWARD && n.when == When::EVERY; });
  prepare_ = session.program(graph, [](const Node& n) { return n.phase == Phase::FORWARD && n.when == When::FIRST; });
  loss_values_.resize(static_cast<size_t>(rows_ * seq_length_));
  token_numbers_.resize(loss_values_.size());
}

void Step::forward_backward(const Batch& batch, uint64_t step, int64_t index, int64_t count, uint64_t first_row) {
  if (count > 1 && !accumulates_) fail_bug("step: {} micro-batches, but the graph is for one", count);
  feed(batch, step, first_row);
  session_.run(micro_[index == 0][index == count - 1]);
}

void Step::forward(const Batch& batch, StepResult& result, std::vector<RowLoss>* each) {
  feed(batch, 0, 0);
  session_.run(forward_);
  collect(batch, result, each);
}

void Step::feed(const Batch& batch, uint64_t step, uint64_t first_row) {
  if (batch.rows != rows_ || batch.seq_length != seq_length_)
    fail_bug("step: a batch of {} x {}, but the graph is for {} x {}", batch.rows, batch.seq_length, rows_, seq_length_);
  const auto put = [&](const runtime::TensorRef& to, const auto& values) {
    if (to.address) session_.write(to, values.data(), values.size() * sizeof values[0]);
  };
  put(tokens_, batch.tokens);
  put(targets_, batch.targets);
  put(positions_, batch.positions);
  put(first_key_, batch.first_key);
  put(weights_, batch.weights);
  put(last_key_, batch.last_key);
  if (has_token_index_ && token_index_.address) {
    for (size_t i = 0; i < token_numbers_.size(); ++i)
      token_numbers_[i] = static_cast<int64_t>(first_row) * seq_length_ + static_cast<int64_t>(i);
    put(token_index_, token_numbers_);
  }
  if (has_seed_ && seed_input_.address) {
    const int64_t seed[2] = {static_cast<int64_t>(seed_), static_cast<int64_t>(step)};
    session_.write(seed_input_, seed, sizeof seed);
  }
}

void Step::collect(const Batch& batch, StepResult& result, std::vector<RowLoss>* each) {
  if (!losses_.address) fail_bug("step: the graph has no output \"losses\"");
  session_.read(losses_, loss_values_.data(), loss_values_.size() * sizeof(float));
  for (int64_t r = 0; r < rows_; ++r) {
    RowLoss row;
    for (auto t = static_cast<size_t>(r * seq_length_); t < static_cast<size_t>((r + 1) * seq_length_); ++t) {
      if (batch.targets[t] < 0) continue;
      const auto weight = static_cast<double>(batch.weights[t]);
      row.loss += weight * static_cast<double>(loss_values_[t]);
      row.weight += weight;
      ++row.targets;
    }
    result.loss_sum += row.loss;
    result.weight_sum += row.weight;
    result.targets += static_cast<uint64_t>(row.targets);
    if (each) each->push_back(row);
  }
}

void Step::update(const std::vector<std::pair<std::string, double>>& values) {
  if (sums_.empty()) fail_bug("step: the graph has no update phase");
  if (updates_ - finished_ == sums_.size()) fail_bug("step: {} updates are unfinished", sums_.size());
  for (const auto& [name, to] : scalars_) {
    const auto given = std::find_if(values.begin(), values.end(), [&name = name](const auto& value) { return value.first == name; });
    if (given == values.end()) fail_bug("step: the optimizer gives no value of its input \"{}\"", name);
    write_scalar(to, given->second);
  }
  session_.run(update_);
  Sums& sums = *sums_[updates_++ % sums_.size()];
  sums.readback.queue();
  if ((sums.passed = sums.readback.passed())) sums.done = std::chrono::steady_clock::now();
}

StepResult Step::finish() {
  if (finished_ == updates_) fail_bug("step: no update is unfinished");
  Sums& sums = *sums_[finished_++ % sums_.size()];
  sums.readback.await();
  StepResult result;
  result.loss_sum = sums.readback[0];
  result.weight_sum = sums.readback[1];
  result.grad_norm = sums.readback[2];
  result.done = sums.passed ? sums.done : std::chrono::steady_clock::now();
  return result;
}

void Step::write_scalar(const runtime::TensorRef& to, double value) {
  const auto single = static_cast<float>(value);
  if (to.dtype == DType::F64)
    session_.write(to, &value, sizeof value);
  else if (to.dtype == DType::F32)
    session_.write(to, &single, sizeof single);
  else
    fail_bug("step: a scalar input of type number {}", static_cast<int>(to.dtype));
}

}  // namespace corral::train
