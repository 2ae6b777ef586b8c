#include "kernel/train/pipeline.h"

#include "corral/error.h"
#include "kernel/graph/verify.h"
#include "kernel/partition/partition.h"
#include "kernel/partition/stage.h"
#include "kernel/passes/accumulation.h"
#include "kernel/passes/activations.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/generation.h"
#include "kernel/passes/group_updates.h"
#include "kernel/passes/recompute.h"
#include "kernel/passes/step_sums.h"

namespace corral::train {
using partition::Stage;
using partition::verify;

Graph Pipeline::emit(int64_t rows, int64_t seq_length, bool deterministic) const {
  Graph g = model_.handle.emit(model_.options, rows, seq_length);
  verify(g, Stage::kModel);
  pass("model", g);
  if (peft_) {
    g = peft_->handle.transform(std::move(g), peft_->options, deterministic);
    verify(g, Stage::kModel);
    pass("peft", g);
  }
  return deterministic ? passes::without_dropout(std::move(g)) : g;
}

Prepared Pipeline::initialization() const {
  Graph g = peft_->handle.initialize(model_graph(), peft_->options);
  graph::verify(g);
  return {"initialization", rounded(std::move(g))};
}

Graph Pipeline::merging() const {
  Graph g = peft_->handle.merge(model_graph(), peft_->options);
  graph::verify(g);
  return g;
}

Graph Pipeline::rounded(Graph g) const {
  g = precision_.handle.transform(passes::mark_activations(std::move(g)), precision_.options);
  graph::verify(g);
  return g;
}

Graph Pipeline::lower(Graph g) const {
  g = rounded(std::move(g));
  pass("precision", g);
  return g;
}

Prepared Pipeline::place(std::string name, Graph g) const {
  ParallelRequest request;
  for (const partition::Dimension& d : mesh_) {
    request.mesh.emplace_back();
    request.mesh.back().name = d.name;
    request.mesh.back().size = d.ranks;
  }
  std::vector<TensorCut> cuts;
  for (const auto& [handle, options] : parallel_) {
    request.options = options;
    request.graph = g;
    const Placement placement = handle.place(request);
    cuts.insert(cuts.end(), placement.cuts.begin(), placement.cuts.end());
  }
  partition::OneRank one = partition::partition(std::move(g), mesh_, cuts);
  verify(one.graph, Stage::kPartitioned);
  pass("partition", one.graph);
  return {std::move(name), std::move(one.graph), std::move(one.firsts)};
}

Prepared Pipeline::training(int64_t rows, int64_t seq_length, const Chosen<OptimizerHandle>& optimizer, bool alone) const {
  Graph g = passes::autodiff(emit(rows, seq_length, false));
  if (alone) g = passes::write_gradients(std::move(g));
  pass("autodiff", g);
  g = passes::recompute(std::move(g), granularity_, recompute_layers_);
  pass("recompute", g);
  verify(g, Stage::kDifferentiated);
  g = optimizer.handle.transform(passes::step_sums(lower(std::move(g))), optimizer.options);
  verify(g, Stage::kUpdated);
  pass("optimizer", g);
  // After the partition, so that the shards of a rank are side by side and not the whole tensors.
  Prepared train = place("train", std::move(g));
  train.graph = passes::group_updates(std::move(train.graph));
  return train;
}

Prepared Pipeline::gradients(int64_t rows, int64_t seq_length) const {
  Graph g = passes::autodiff(emit(rows, seq_length, true));
  pass("autodiff", g);
  return place("gradients", lower(std::move(g)));
}

Prepared Pipeline::evaluation(int64_t rows, int64_t seq_length) const { return place("evaluation", lower(emit(rows, seq_length, true))); }

Prepared Pipeline::logits(int64_t rows, int64_t seq_length) const {
  return place("logits", lower(passes::logits_of_all(emit(rows, seq_length, true))));
}

Prepared Pipeline::generation(int64_t rows, int64_t seq_length, int64_t cache_length) const {
  Graph g = passes::generation(emit(rows, seq_length, true), cache_length);
  pass("generation", g);
  return place(format("generation.{}", seq_length), lower(std::move(g)));
}

}  // namespace corral::train
