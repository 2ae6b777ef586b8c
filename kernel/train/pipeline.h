// From the chosen plugins to the graphs of a run: model, autodiff, recompute, precision, optimizer.
#pragma once

#include <functional>
#include <string>

#include "corral/graph.h"
#include "kernel/plugin/model.h"
#include "kernel/plugin/optimizer.h"
#include "kernel/plugin/precision.h"

namespace corral::train {

// A plugin's handle and its encoded options.
template <class Handle>
struct Chosen {
  Handle handle;
  std::string options;
};

class Pipeline {
 public:
  // Called with each stage's graph: model, autodiff, recompute, precision, optimizer.
  using Dump = std::function<void(const std::string& stage, const Graph& g)>;

  Pipeline(Chosen<ModelHandle> model, Chosen<PrecisionHandle> precision) : model_(std::move(model)), precision_(std::move(precision)) {}

  void set_dump(Dump dump) { dump_ = std::move(dump); }
  void set_recompute(const std::string& granularity, int64_t num_layers) {
    granularity_ = granularity;
    recompute_layers_ = num_layers;
  }

  // Forward, backward and update of a micro-batch.
  Graph training(int64_t rows, int64_t seq_length, const Chosen<OptimizerHandle>& optimizer) const;
  // Forward and backward without dropout and without an update.
  Graph gradients(int64_t rows, int64_t seq_length) const;
  // The losses only, without dropout.
  Graph evaluation(int64_t rows, int64_t seq_length) const;
  // Logits of every place.
  Graph logits(int64_t rows, int64_t seq_length) const;
  // Logits of one place a row over a cache of `cache_length` places.
  Graph generation(int64_t rows, int64_t seq_length, int64_t cache_length) const;

  const Chosen<ModelHandle>& model() const { return model_; }

 private:
  Graph emit(int64_t rows, int64_t seq_length) const;
  Graph lower(Graph g) const;
  void dump(const char* stage, const Graph& g) const {
    if (dump_) dump_(stage, g);
  }

  Chosen<ModelHandle> model_;
  Chosen<PrecisionHandle> precision_;
  std::string granularity_ = "none";
  int64_t recompute_layers_ = 0;
  Dump dump_;
};

}  // namespace corral::train
