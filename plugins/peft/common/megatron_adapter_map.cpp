#include <algorithm>
#include <map>
#include <set>

#include "corral/error.h"
#include "corral/json_object.h"
#include "plugins/peft/common/megatron_adapter.h"

// For L layers, a fused layer of R rows and I columns, and adapters of rank r:
//   module.weight [L, R, I]  ->  module.adapter.linear_in.weight [L, r, I], .linear_out.weight [L, R, r], .weight_magnitude [L, R]
// For a part of a fused layer: module.adapter.adapter_q.linear_in.weight [L, r, I], .linear_out.weight [L, rows of the part, r].
namespace corral::lowrank {
namespace {
using nlohmann::json;

constexpr std::string_view kWeight = ".weight";

// The location of a linear layer's rows in a stored tensor, in units of rows.
struct Rows {
  const TensorInfo* external;
  int64_t layer;           // index in the stack; 0 without a stack
  int64_t offset, length;  // first row within the layer; consecutive rows per run
  int64_t runs = 1, stride = 0, own_stride = 0;
  bool shared = false;  // the tensor also contains other linear layers
};

int64_t tensor_parallel_of(std::string_view config) {
  if (config.empty()) return 1;
  const json whole = parse_object(config, "run_config.yaml");
  const json* model = find_value(whole, "model");
  const json* size = model && model->is_object() ? find_value(*model, "tensor_model_parallel_size") : nullptr;
  if (!size) return 1;
  if (!size->is_number_integer() || *size < 1 || *size > 1 << 16)
    fail("run_config.yaml: model.tensor_model_parallel_size = {}: expected a whole number above 0", shown(*size));
  return size->get<int64_t>();
}

// The last part of a module's name: q_proj for model.layers.0.self_attn.q_proj.weight.
std::string last_name(const std::string& parameter) {
  const std::string module = module_of(parameter);
  return module.substr(module.rfind('.') + 1);
}

class Map {
 public:
  Map(const Adapters& adapters, const WeightMap& model_map, int64_t ranks) : a_(adapters), model_(model_map), ranks_(ranks) {
    for (const TensorInfo& t : model_.externals) externals_.emplace(t.name, &t);
    std::map<std::string, std::set<std::string>> parts;
    for (const WeightEntry& e : model_.entries) {
      if (e.kind != WeightEntry_Kind::PAIR) continue;
      entry_of_.emplace(e.parameter.tensor, &e);
      // A stack contains a part of the same name for every layer.
      parts[e.external.tensor].insert(last_name(e.parameter.tensor));
    }
    for (const auto& [name, all] : parts)
      if (all.size() > 1) shared_.insert(name);
  }

  WeightMap run() {
    if (a_.trains_whole_modules()) fail("peft.modules_to_save: Megatron Bridge stores only adapters, not modules that are trained whole");
    for (const Group& g : a_.groups()) group(g);
    for (const auto& [name, layers] : layers_)
      if (const auto& shape = map_.externals[number_.at(name)].shape; static_cast<int64_t>(layers.size()) != stack_[name])
        fail(
            "peft.target_modules: {} of {} layers have {}: Megatron stores a module of all layers as one tensor, so adapt it in all layers",
            layers.size(), shape[0], name);
    return std::move(map_);
  }

 private:
  Rows rows_of(const Linear& l) const {
    const auto at = entry_of_.find(l.module + std::string(kWeight));
    if (at == entry_of_.end()) fail("{}: the model's weight map for Megatron does not contain this layer", l.module);
    const View &x = at->second->external, &p = at->second->parameter;
    Rows r{externals_.at(x.tensor), 0, 0, 0};
    const auto unfit = [&] { fail("{}: adapters for {} are not supported: its layout is unknown", l.module, x.tensor); };
    const size_t axes = r.external->shape.size();
    if (axes < 2 || axes > 3 || r.external->shape.back() != l.in || !x.tensor.ends_with(kWeight)) unfit();
    if (x.sizes.empty() || x.sizes.size() > 2 || x.strides.back() != 1 || p.strides.back() != 1 || x.sizes.back() % l.in != 0 ||
        x.offset % l.in != 0 || p.offset != 0)
      unfit();
    const int64_t all = r.external->shape[axes - 2], first = x.offset / l.in;
    r.layer = first / all;
    r.offset = first % all;
    r.length = x.sizes.back() / l.in;
    if (x.sizes.size() == 2) {
      if (x.strides[0] % l.in != 0 || p.strides[0] % l.in != 0) unfit();
      r.runs = x.sizes[0];
      r.stride = x.strides[0] / l.in;
      r.own_stride = p.strides[0] / l.in;
    }
    r.shared = shared_.contains(x.tensor);
    return r;
  }

  void group(const Group& g) {
    const std::vector<Linear>& all = a_.layers();
    const int64_t r = a_.settings().dim;
    const bool magnitudes = a_.settings().magnitude;
    const Linear& first = all[g.members[0]];
    Rows place = rows_of(first);
    const bool fused = g.module != first.module, part = !fused && place.shared;
    const std::string& stored = place.external->name;
    std::string module = stored.substr(0, stored.size() - kWeight.size()) + ".adapter.";
    if (part) {
      if (magnitudes) fail("{}: Megatron Bridge has no DoRA for a part of {}: name the whole layer as the target", first.module, stored);
      const std::string name = megatron_names(first.module).own;
      module += "adapter_" + name.substr(name.rfind('_') + 1) + ".";
    }
    const std::vector<int64_t>& shape = place.external->shape;
    const int64_t all_rows = part ? first.out : shape[shape.size() - 2];
    const auto stacked = [&](std::vector<int64_t> of_layer) {
      if (shape.size() == 3) of_layer.insert(of_layer.begin(), shape[0]);
      return of_layer;
    };
    declare(module + "linear_in.weight", stacked({r, first.in}), place.layer);
    pair(place.layer * r * first.in, first_matrix(g.module), {1, r * first.in, 0, 0});
    const bool halves = megatron_names(first.module).fused == "linear_fc1";
    for (const size_t i : g.members) {
      const Linear& l = all[i];
      const Rows rows = rows_of(l);
      if (rows.external != place.external || rows.layer != place.layer)
        fail("{} and {} share a matrix here, but not a tensor in Megatron's dialect", first.module, l.module);
      declare(module + "linear_out.weight", stacked({all_rows, r}), place.layer);
      if (!part)
        pair((place.layer * all_rows + rows.offset) * r, second_matrix(l.module), scaled(rows, r));
      else if (halves && ranks_ > 1)
        split_halves(l, place.layer, r);
      else
        pair(place.layer * all_rows * r, second_matrix(l.module), {1, l.out * r, 0, 0});
      if (!magnitudes) continue;
      declare(module + "weight_magnitude", stacked({all_rows}), place.layer);
      // Each tensor-parallel rank stores its rows of gate, then its rows of up.
      if (halves && ranks_ > 1 && rows.runs == 1 && rows.length % ranks_ == 0)
        pair(place.layer * all_rows + rows.offset / ranks_, magnitude(l.module),
             {ranks_, rows.length / ranks_, all_rows / ranks_, rows.length / ranks_});
      else
        pair(place.layer * all_rows + rows.offset, magnitude(l.module), scaled(rows, 1));
    }
  }

  // A rank's tensor is read as gate and up together and cut into halves, so the rows of one matrix are in two places per rank.
  void split_halves(const Linear& l, int64_t layer, int64_t r) {
    if (l.out % (2 * ranks_) != 0)
      fail("{}: {} rows were cut over {} ranks, but are not a multiple of twice that", l.module, l.out, ranks_);
    const int64_t piece = l.out / (2 * ranks_);
    for (int64_t half = 0; half < 2; ++half)
      pair((layer * l.out + half * l.out / 2) * r, second_matrix(l.module), {ranks_, piece * r, piece * r, 2 * piece * r},
           half * piece * r);
  }

  // Runs of consecutive elements: their number, length, and distance on either side.
  struct Runs {
    int64_t count, length, external_stride, own_stride;
  };
  static Runs scaled(const Rows& rows, int64_t by) { return {rows.runs, rows.length * by, rows.stride * by, rows.own_stride * by}; }

  // Declares a stored tensor; the following calls of pair() refer to it.
  void declare(const std::string& name, std::vector<int64_t> shape, int64_t layer) {
    now_ = name;
    if (number_.emplace(name, map_.externals.size()).second) {
      const bool stack = model_stacks(name, shape);
      TensorInfo t;
      t.name = name;
      t.shape = std::move(shape);
      if (stack) stack_[name] = t.shape[0];
      map_.externals.push_back(std::move(t));
    }
    if (stack_.contains(name)) layers_[name].insert(layer);
  }
  // A magnitude has one axis less than a matrix.
  static bool model_stacks(const std::string& name, const std::vector<int64_t>& shape) {
    return shape.size() == (name.ends_with("weight_magnitude") ? 2u : 3u);
  }

  void pair(int64_t offset, const std::string& parameter, const Runs& r, int64_t own_offset = 0) {
    WeightEntry e;
    e.external.tensor = now_;
    e.external.offset = offset;
    e.parameter.tensor = parameter;
    e.parameter.offset = own_offset;
    e.external.sizes = e.parameter.sizes = r.count == 1 ? std::vector<int64_t>{r.length} : std::vector<int64_t>{r.count, r.length};
    e.external.strides = r.count == 1 ? std::vector<int64_t>{1} : std::vector<int64_t>{r.external_stride, 1};
    e.parameter.strides = r.count == 1 ? std::vector<int64_t>{1} : std::vector<int64_t>{r.own_stride, 1};
    map_.entries.push_back(std::move(e));
  }

  const Adapters& a_;
  const WeightMap& model_;
  const int64_t ranks_;
  std::map<std::string, const TensorInfo*> externals_;
  std::map<std::string, const WeightEntry*> entry_of_;
  std::set<std::string> shared_;
  std::map<std::string, size_t> number_;
  std::map<std::string, int64_t> stack_;             // number of layers in a stacked tensor
  std::map<std::string, std::set<int64_t>> layers_;  // layers that the adapters provide
  std::string now_;
  WeightMap map_;
};

}  // namespace

WeightMap megatron_adapter_map(const Adapters& adapters, const WeightMap& model_map, std::string_view config) {
  return Map(adapters, model_map, tensor_parallel_of(config)).run();
}

}  // namespace corral::lowrank
