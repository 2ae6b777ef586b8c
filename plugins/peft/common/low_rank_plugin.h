// The common base of lora and dora. They differ in the defaults of their options and in the magnitude per row.
#pragma once

#include "corral/peft.h"
#include "plugins/peft/common/adapter_config.h"
#include "plugins/peft/common/adapters.h"
#include "plugins/peft/common/megatron_adapter.h"

namespace corral::lowrank {

template <class OptionsMessage, bool kMagnitude>
class LowRankPlugin : public Peft<OptionsMessage> {
 public:
  using Options = OptionsMessage;

  Graph transform(Graph graph, const Options& o, bool deterministic) override {
    return Adapters(std::move(graph), settings(o)).transform(deterministic);
  }
  Graph initialize(Graph graph, const Options& o) override { return Adapters(std::move(graph), settings(o)).initialize(); }
  Graph merge(Graph graph, const Options& o) override { return Adapters(std::move(graph), settings(o)).merge(); }

  WeightMap weight_map(const PeftRequest& request, const Options& o) override {
    const Adapters adapters(request.graph, settings(o));
    return is_megatron(request.dialect) ? megatron_adapter_map(adapters, request.model_map, request.config) : adapters.weight_map();
  }

  Recognition recognize(const DialectConfig& file) override {
    const bool megatron = is_megatron(file.dialect);
    std::string other;
    const AdapterConfig c = megatron ? read_megatron_adapter(file.content, other) : read_adapter_config(file.content, other);
    Recognition r;
    if (!other.empty()) {
      r.reason = format(megatron ? "peft._target_ is {}" : "peft_type is \"{}\"", other);
      return r;
    }
    r.reason = megatron ? format("its class is {}", c.use_dora ? "DoRA" : "LoRA") : format("use_dora is {}", c.use_dora);
    if (c.use_dora != kMagnitude) return r;
    r.confidence = 100;
    r.base = c.base_model_name_or_path;
    Options o;
    o.dim = c.r;
    o.alpha = c.lora_alpha;
    o.dropout = c.lora_dropout;
    o.target_modules = c.target_modules;
    o.modules_to_save = c.modules_to_save;
    o.use_rslora = c.use_rslora;
    r.options = o.encode();
    return r;
  }

  std::string write_config(const PeftRequest& request, const Options& o) override {
    const Adapters adapters(request.graph, settings(o));
    if (is_megatron(request.dialect)) return write_megatron_adapter(adapters, request.base);
    AdapterConfig c;
    c.r = o.dim;
    c.lora_alpha = o.alpha;
    c.lora_dropout = o.dropout;
    c.target_modules = adapters.target_names();
    c.modules_to_save = adapters.whole_names();
    c.use_rslora = o.use_rslora;
    c.use_dora = kMagnitude;
    c.base_model_name_or_path = request.base;
    return write_adapter_config(c);
  }

 private:
  static bool is_megatron(const std::string& dialect) {
    if (dialect != "hf" && dialect != "megatron")
      throw Unsupported(format("no adapters of the dialect \"{}\"; there are: hf, megatron", dialect));
    return dialect == "megatron";
  }

  static Settings settings(const Options& o) {
    Settings s{o.dim, o.alpha, o.dropout, o.target_modules, o.modules_to_save, o.init, o.use_rslora, kMagnitude};
    if (s.target_modules.empty()) s.target_modules = {"linear_qkv", "linear_proj", "linear_fc1", "linear_fc2"};
    return s;
  }
};

}  // namespace corral::lowrank
