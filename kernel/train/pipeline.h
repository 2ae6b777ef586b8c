// Builds the graphs of a run from the chosen plugins, stage by stage.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "corral/graph.h"
#include "kernel/partition/cut.h"
#include "kernel/plugin/model.h"
#include "kernel/plugin/optimizer.h"
#include "kernel/plugin/parallel.h"
#include "kernel/plugin/peft.h"
#include "kernel/plugin/precision.h"
#include "kernel/runtime/session.h"

namespace corral::train {

// A plugin's handle and its encoded options.
template <class Handle>
struct Chosen {
  Handle handle;
  std::string options;
};

using runtime::Prepared;

class Pipeline {
 public:
  // The stages in their order.
  static std::vector<std::string> stages() {
    return {"model", "peft", "generation", "autodiff", "recompute", "precision", "optimizer", "partition"};
  }
  // Called with each stage and the graph after it.
  using Dump = std::function<void(const std::string& stage, const Graph& g)>;

  Pipeline(Chosen<ModelHandle> model, Chosen<PrecisionHandle> precision) : model_(std::move(model)), precision_(std::move(precision)) {}

  // Trains the parameters that this method adds instead of the model's.
  void set_peft(Chosen<PeftHandle> peft) { peft_ = std::move(peft); }
  void set_dump(Dump dump) { dump_ = std::move(dump); }
  void set_recompute(const std::string& granularity, int64_t num_layers) {
    granularity_ = granularity;
    recompute_layers_ = num_layers;
  }

  // Makes the graphs of one rank of several. `mesh` lists its dimensions, the outermost first.
  void set_ranks(std::vector<partition::Dimension> mesh, std::vector<Chosen<ParallelHandle>> parallel) {
    mesh_ = std::move(mesh);
    parallel_ = std::move(parallel);
  }

  // "train": forward, backward and update of a micro-batch. `alone`: each step has a single micro-batch.
  Prepared training(int64_t rows, int64_t seq_length, const Chosen<OptimizerHandle>& optimizer, bool alone = false) const;
  // "gradients": forward and backward without dropout and without an update.
  Prepared gradients(int64_t rows, int64_t seq_length) const;
  // "evaluation": the losses only, without dropout.
  Prepared evaluation(int64_t rows, int64_t seq_length) const;
  // "logits": logits of every token position.
  Prepared logits(int64_t rows, int64_t seq_length) const;
  // "generation.SEQ_LENGTH": logits of one token position per sequence, over a cache of `cache_length`.
  Prepared generation(int64_t rows, int64_t seq_length, int64_t cache_length) const;

  const Chosen<ModelHandle>& model() const { return model_; }
  // The stages that graphs have passed so far.
  std::vector<std::string> passed() const {
    std::vector<std::string> all = stages();
    std::erase_if(all, [&](const std::string& stage) { return !passed_.contains(stage); });
    return all;
  }

  bool has_peft() const { return peft_.has_value(); }
  // The four functions below need set_peft.
  // Weight map of the adapter's parameters in a dialect. `present` and `config` are the tensors and the configuration of an adapter that is
  // read.
  WeightMap adapter_map(const std::string& dialect, std::vector<TensorInfo> present = {}, const std::string& config = "") const {
    return peft_->handle.weight_map(model_graph(), peft_->options, dialect,
                                    model_.handle.weight_map(model_.options, dialect, std::move(present)), config);
  }
  // Content of the adapter's configuration file. `base` is the path of the model's weights.
  std::string adapter_config(const std::string& dialect, const std::string& base) const {
    return peft_->handle.write_config(model_graph(), peft_->options, dialect, base);
  }
  // "initialization": the nodes that set the adapter's parameters at the start of a run.
  Prepared initialization() const;
  // The nodes that merge the adapter into the model; each output is a parameter of the model.
  Graph merging() const;

 private:
  Graph model_graph() const { return model_.handle.emit(model_.options, 1, 1); }
  // `deterministic`: without dropout.
  Graph emit(int64_t rows, int64_t seq_length, bool deterministic) const;
  Graph rounded(Graph g) const;  // by the precision
  Graph lower(Graph g) const;
  // The part of this rank, under the name by which a session finds it.
  Prepared place(std::string name, Graph g) const;
  void pass(const char* stage, const Graph& g) const {
    passed_.insert(stage);
    if (dump_) dump_(stage, g);
  }

  Chosen<ModelHandle> model_;
  Chosen<PrecisionHandle> precision_;
  std::optional<Chosen<PeftHandle>> peft_;
  std::string granularity_ = "none";
  int64_t recompute_layers_ = 0;
  std::vector<partition::Dimension> mesh_;
  std::vector<Chosen<ParallelHandle>> parallel_;
  Dump dump_;
  mutable std::set<std::string> passed_;
};

}  // namespace corral::train
