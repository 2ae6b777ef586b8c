#include "plugins/model/common/megatron_map.h"

#include <algorithm>
#include <cctype>
#include <unordered_map>

// A query heads; G groups with a key and a value head each; q = A/G; D features per head; H hidden; F of the MLP; V vocabulary; L layers.
namespace corral::llama {
namespace {

constexpr char kEmbedding[] = "embedding.word_embeddings.weight", kOutput[] = "output_layer.weight", kLayers[] = "decoder.layers.";

// Pairs `rows` runs of `length` consecutive elements; the runs begin external_stride and parameter_stride elements apart.
struct Runs {
  int64_t rows, length, external_stride, parameter_stride;
};

class Megatron {
 public:
  Megatron(const LlamaShape& m, const std::vector<TensorInfo>& present) : m_(m), writes_(present.empty()) {
    for (const TensorInfo& t : present) shapes_.emplace(t.name, &t.shape);
    for (const TensorInfo& t : present)
      if (t.name.ends_with(kEmbedding)) prefix_ = t.name.substr(0, t.name.size() - std::string(kEmbedding).size());
    const std::string layers = prefix_ + kLayers;
    for (const TensorInfo& t : present)
      per_layer_ = per_layer_ || (t.name.size() > layers.size() && t.name.starts_with(layers) && std::isdigit(t.name[layers.size()]) != 0);
  }

  WeightMap run() {
    vocabulary(kEmbedding, "model.embed_tokens.weight", WeightEntry_Kind::PAIR);
    for (int64_t l = 0; l < m_.num_hidden_layers; ++l) layer(l);
    whole("decoder.final_layernorm.weight", {m_.hidden_size}, "model.norm.weight");
    if (!m_.tie_word_embeddings)
      vocabulary(kOutput, "lm_head.weight", WeightEntry_Kind::PAIR);
    else if (has(kOutput))
      vocabulary(kOutput, "model.embed_tokens.weight", WeightEntry_Kind::COPY);
    if (writes_) extra_states();
    return std::move(map_);
  }

 private:
  bool has(const std::string& name) const { return shapes_.contains(prefix_ + name); }

  void layer(int64_t l) {
    const int64_t H = m_.hidden_size, F = m_.intermediate_size, D = m_.head_dim, G = m_.num_key_value_heads, A = m_.num_attention_heads,
                  q = A / G, head = D * H, group = (q + 2) * head;
    const std::string hf = "model.layers." + std::to_string(l) + ".";
    norm(l, "self_attention.linear_qkv.layer_norm_weight", "input_layernorm.weight", hf + "input_layernorm.weight");
    const std::string qkv = "self_attention.linear_qkv.weight";
    const std::vector<int64_t> shape = {(A + 2 * G) * D, H};
    layer_part(l, qkv, shape, 0, hf + "self_attn.q_proj.weight", {G, q * head, group, q * head});
    layer_part(l, qkv, shape, q * head, hf + "self_attn.k_proj.weight", {G, head, group, head});
    layer_part(l, qkv, shape, (q + 1) * head, hf + "self_attn.v_proj.weight", {G, head, group, head});
    all_of(l, "self_attention.linear_proj.weight", {H, A * D}, hf + "self_attn.o_proj.weight");
    norm(l, "mlp.linear_fc1.layer_norm_weight", "pre_mlp_layernorm.weight", hf + "post_attention_layernorm.weight");
    if (has(layer_name(l, "mlp.linear_fc1.weight_w"))) {
      all_of(l, "mlp.linear_fc1.weight_w", {F, H}, hf + "mlp.gate_proj.weight");
      all_of(l, "mlp.linear_fc1.weight_v", {F, H}, hf + "mlp.up_proj.weight");
    } else {
      layer_part(l, "mlp.linear_fc1.weight", {2 * F, H}, 0, hf + "mlp.gate_proj.weight", {1, F * H, 0, 0});
      layer_part(l, "mlp.linear_fc1.weight", {2 * F, H}, F * H, hf + "mlp.up_proj.weight", {1, F * H, 0, 0});
    }
    all_of(l, "mlp.linear_fc2.weight", {H, F}, hf + "mlp.down_proj.weight");
  }

  std::string layer_name(int64_t l, const std::string& module) const {
    return kLayers + (per_layer_ ? std::to_string(l) + "." : std::string()) + module;
  }

  void norm(int64_t l, const std::string& fused, const std::string& own, const std::string& parameter) {
    all_of(l, has(layer_name(l, own)) ? own : fused, {m_.hidden_size}, parameter);
  }

  void all_of(int64_t l, const std::string& module, const std::vector<int64_t>& shape, const std::string& parameter) {
    int64_t count = 1;
    for (const int64_t n : shape) count *= n;
    layer_part(l, module, shape, 0, parameter, {1, count, 0, 0});
  }

  // Pairs a parameter with layer l's share of a tensor, from `offset` within that share on.
  void layer_part(int64_t l, const std::string& module, std::vector<int64_t> shape, int64_t offset, const std::string& parameter,
                  Runs runs) {
    const std::string name = layer_name(l, module);
    if (!per_layer_) {
      int64_t count = 1;
      for (const int64_t n : shape) count *= n;
      offset += l * count;
      shape.insert(shape.begin(), m_.num_hidden_layers);
    }
    declare(name, shape);
    pair(name, offset, parameter, runs, WeightEntry_Kind::PAIR);
  }

  void whole(const std::string& name, const std::vector<int64_t>& shape, const std::string& parameter) {
    int64_t count = 1;
    for (const int64_t n : shape) count *= n;
    declare(name, shape);
    pair(name, 0, parameter, {1, count, 0, 0}, WeightEntry_Kind::PAIR);
  }

  // Rows beyond the vocabulary are padding: ignored when read, zeros when written.
  void vocabulary(const std::string& name, const std::string& parameter, WeightEntry_Kind kind) {
    const int64_t V = m_.vocab_size, H = m_.hidden_size;
    int64_t rows = V;
    if (const auto at = shapes_.find(prefix_ + name); at != shapes_.end() && at->second->size() == 2) rows = std::max(V, at->second->at(0));
    declare(name, {rows, H});
    pair(name, 0, parameter, {1, V * H, 0, 0}, kind);
    if (rows == V) return;
    WeightEntry e;
    e.kind = WeightEntry_Kind::FILL;
    e.external = view(prefix_ + name, V * H, {(rows - V) * H}, {1});
    map_.entries.push_back(std::move(e));
  }

  // Empty byte objects, one per module and layer, which loading programs ask for.
  void extra_states() {
    const int64_t L = m_.num_hidden_layers;
    const auto object = [&](const std::string& module, int64_t i, int64_t count) {
      const std::string name = module + "._extra_state/shard_" + std::to_string(i) + "_" + std::to_string(count);
      declare(name, {0}, DType::U8);
      WeightEntry e;
      e.kind = WeightEntry_Kind::FILL;
      e.external = view(name, 0, {0}, {1});
      map_.entries.push_back(std::move(e));
    };
    for (const char* module :
         {"self_attention.core_attention", "self_attention.linear_qkv", "self_attention.linear_proj", "mlp.linear_fc1", "mlp.linear_fc2"})
      for (int64_t l = 0; l < L; ++l) object(std::string(kLayers) + module, l, L);
    object("decoder.final_layernorm", 0, 1);
  }

  void declare(const std::string& name, const std::vector<int64_t>& shape, DType dtype = DType::DTYPE_NONE) {
    if (!declared_.emplace(prefix_ + name, map_.externals.size()).second) return;
    TensorInfo t;
    t.name = prefix_ + name;
    t.shape = shape;
    t.dtype = dtype;
    map_.externals.push_back(std::move(t));
  }

  void pair(const std::string& name, int64_t offset, const std::string& parameter, const Runs& r, WeightEntry_Kind kind) {
    WeightEntry e;
    e.kind = kind;
    if (r.rows == 1) {
      e.external = view(prefix_ + name, offset, {r.length}, {1});
      e.parameter = view(parameter, 0, {r.length}, {1});
    } else {
      e.external = view(prefix_ + name, offset, {r.rows, r.length}, {r.external_stride, 1});
      e.parameter = view(parameter, 0, {r.rows, r.length}, {r.parameter_stride, 1});
    }
    map_.entries.push_back(std::move(e));
  }

  static View view(const std::string& tensor, int64_t offset, std::vector<int64_t> sizes, std::vector<int64_t> strides) {
    View v;
    v.tensor = tensor;
    v.offset = offset;
    v.sizes = std::move(sizes);
    v.strides = std::move(strides);
    return v;
  }

  const LlamaShape& m_;
  bool writes_, per_layer_ = false;
  std::string prefix_;
  std::unordered_map<std::string, const std::vector<int64_t>*> shapes_;
  std::unordered_map<std::string, size_t> declared_;
  WeightMap map_;
};

}  // namespace

WeightMap megatron_map(const LlamaShape& m, const std::vector<TensorInfo>& present) { return Megatron(m, present).run(); }

}  // namespace corral::llama
