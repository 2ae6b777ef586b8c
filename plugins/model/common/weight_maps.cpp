#include "plugins/model/common/weight_maps.h"

#include "corral/error.h"
#include "plugins/model/common/megatron_map.h"

namespace corral::llama {
namespace {

View whole(const ParameterInfo& p) {
  View v;
  v.tensor = p.name;
  v.sizes = p.shape;
  v.strides.resize(p.shape.size());
  int64_t stride = 1;
  for (size_t i = p.shape.size(); i-- > 0; stride *= p.shape[i]) v.strides[i] = stride;
  return v;
}

TensorInfo external(const ParameterInfo& p) {
  TensorInfo t;
  t.name = p.name;
  t.shape = p.shape;
  return t;
}

// Parameters have their Hugging Face names and shapes, so the map is one to one.
WeightMap hugging_face(const LlamaShape& m, const std::vector<TensorInfo>&) {
  WeightMap map;
  for (const ParameterInfo& p : parameters(m)) {
    WeightEntry e;
    e.external = e.parameter = whole(p);
    map.entries.push_back(std::move(e));
    map.externals.push_back(external(p));
  }
  if (m.tie_word_embeddings) {
    // Some writers also store the tied output layer.
    WeightEntry e;
    e.kind = WeightEntry_Kind::COPY;
    e.parameter = whole({"model.embed_tokens.weight", {m.vocab_size, m.hidden_size}});
    e.external = whole({"lm_head.weight", {m.vocab_size, m.hidden_size}});
    map.entries.push_back(std::move(e));
    map.externals.push_back(external({"lm_head.weight", {m.vocab_size, m.hidden_size}}));
  }
  return map;
}

struct Dialect {
  const char* name;
  WeightMap (*map)(const LlamaShape&, const std::vector<TensorInfo>& present);
};
constexpr Dialect kDialects[] = {{"hf", hugging_face}, {"megatron", megatron_map}};

}  // namespace

WeightMap weight_map(const LlamaShape& m, const WeightMapRequest& request) {
  std::string known;
  for (const Dialect& d : kDialects) {
    if (request.dialect == d.name) return d.map(m, request.present);
    known += std::string(known.empty() ? "" : ", ") + d.name;
  }
  throw Unsupported(format("no weight map for the dialect \"{}\"; there are: {}", request.dialect, known));
}

}  // namespace corral::llama
