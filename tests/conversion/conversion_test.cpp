// Weights between Hugging Face and Megatron: both checkpoint formats, both weight maps of Llama, and the engine that applies a map.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/mapped_parameters.h"
#include "kernel/checkpoint/weight_map.h"
#include "plugins/checkpoint/hf/folder_reader.h"
#include "plugins/checkpoint/hf/folder_writer.h"
#include "plugins/checkpoint/megatron/folder_reader.h"
#include "plugins/checkpoint/megatron/folder_writer.h"
#include "plugins/model/common/config_json.h"
#include "plugins/model/common/megatron_config.h"
#include "plugins/model/common/weight_maps.h"
#include "tests/unit/checkpoint_memory_tensors.h"

namespace corral::checkpoint {
namespace {
namespace fs = std::filesystem;
using llama::LlamaShape;

const fs::path kGolden = fs::path(CORRAL_SOURCE_DIR) / "tests/golden";

class Scratch {
 public:
  Scratch() {
    std::string name = testing::TempDir() + "corral-conversion-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Scratch() { fs::remove_all(path_); }
  std::string folder(const std::string& name) const {
    fs::create_directory(path_ / name);
    return (path_ / name).string();
  }

 private:
  fs::path path_;
};

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Reading final : public TensorSource {
 public:
  explicit Reading(CheckpointReader& reader) : reader_(reader), tensors_(reader.list().tensors) {}
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  void read(size_t tensor, uint64_t offset, void* to, uint64_t size) override { reader_.read(tensor, offset, to, size); }
  bool concurrent() const override { return true; }

 private:
  CheckpointReader& reader_;
  std::vector<TensorInfo> tensors_;
};

class Writing final : public TensorSink {
 public:
  Writing(CheckpointWriter& writer, std::vector<TensorInfo> tensors) : writer_(writer), tensors_(std::move(tensors)) {}
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  void write(size_t tensor, uint64_t offset, const void* data, uint64_t size) override { writer_.write(tensor, offset, data, size); }
  bool concurrent() const override { return true; }

 private:
  CheckpointWriter& writer_;
  std::vector<TensorInfo> tensors_;
};

LlamaShape shape_of(const llama::LlamaConfig& c) {
  return {c.num_hidden_layers,
          c.hidden_size,
          c.intermediate_size,
          c.num_attention_heads,
          c.num_key_value_heads,
          c.head_dim,
          c.vocab_size,
          c.tie_word_embeddings,
          c.rms_norm_eps,
          c.initializer_range,
          0,
          {}};
}
LlamaShape shape_of(const fs::path& hf) { return shape_of(llama::read_config_json(text_of(hf / "config.json"))); }

std::vector<TensorInfo> parameters_of(const LlamaShape& m, DType dtype = DType::F32) {
  std::vector<TensorInfo> all;
  for (const llama::ParameterInfo& p : llama::parameters(m)) all.push_back(tensor(p.name, p.shape, dtype));
  return all;
}

WeightMap map_of(const LlamaShape& m, const std::string& dialect, const std::vector<TensorInfo>& present = {}) {
  WeightMapRequest request;
  request.dialect = dialect;
  for (const TensorInfo& t : present)
    if (t.part.empty()) request.present.push_back(t);
  return llama::weight_map(m, request);
}

// Reads the parameters of a folder, in the types that it stores.
MemoryTensors load(CheckpointReader& reader, const LlamaShape& m, const std::string& dialect) {
  Reading source(reader);
  const WeightMap map = map_of(m, dialect, source.tensors());
  check_weight_map(map, parameters_of(m));
  check_externals(map, source.tensors());
  MemoryTensors parameters(stored_types(map, source.tensors(), parameters_of(m)));
  read_parameters(map, source, parameters);
  return parameters;
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, AFolderOfMegatronCoreHasTheWeightsOfItsTwin) {
  const fs::path golden = kGolden / "megatron" / GetParam();
  const LlamaShape m = shape_of(golden / "hf");
  megatron::FolderReader megatron((golden / "mcore").string());
  safetensors::FolderReader hf((golden / "hf").string());
  const MemoryTensors mine = load(megatron, m, "megatron"), theirs = load(hf, m, "hf");
  ASSERT_EQ(mine.tensors().size(), theirs.tensors().size());
  for (size_t i = 0; i < mine.tensors().size(); ++i) {
    EXPECT_EQ(mine.tensors()[i].dtype, theirs.tensors()[i].dtype) << mine.tensors()[i].name;
    EXPECT_EQ(mine.bytes[i], theirs.bytes[i]) << mine.tensors()[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(Conversion, Golden, testing::Values("tied", "tensor_parallel", "per_layer", "singleton", "optimizer", "buckets"),
                         [](const auto& info) { return std::string(info.param); });

// Converts a folder from dialect `from` into a folder of dialect `to`, as `corral import` and `corral export` do.
template <class Writer>
void convert(CheckpointReader& reader, const LlamaShape& m, const char* from, const std::string& folder, const char* to,
             CheckpointWriteRequest request, void (*commit)(const CheckpointWriteRequest&)) {
  Reading source(reader);
  const WeightMap reads = map_of(m, from, source.tensors()), writes = map_of(m, to);
  check_weight_map(writes, parameters_of(m));
  MappedParameters parameters(reads, source, stored_types(reads, source.tensors(), parameters_of(m)));
  request.kind = "model";
  request.tensors.tensors = written_externals(writes, parameters.tensors());
  request.path = folder;
  Writer writer(request);
  Writing sink(writer, request.tensors.tensors);
  write_externals(writes, parameters, sink, 4096);  // a small buffer makes many pieces, for several threads
  writer.finish();
  commit(request);
}

class Model : public testing::TestWithParam<const char*> {};

TEST_P(Model, ComesBackFromMegatronByteForByte) {
  const fs::path model = kGolden / GetParam();
  const LlamaShape m = shape_of(model);
  const Scratch scratch;
  const std::string megatron_folder = scratch.folder("megatron"), back = scratch.folder("hf");
  safetensors::FolderReader hf(model.string());
  CheckpointWriteRequest request;
  request.config = llama::write_megatron_config(llama::read_config_json(text_of(model / "config.json")));
  convert<megatron::FolderWriter>(hf, m, "hf", megatron_folder, "megatron", request,
                                  [](const CheckpointWriteRequest& r) { megatron::commit_folder(r.path); });
  megatron::FolderReader reader(megatron_folder);
  convert<safetensors::FolderWriter>(reader, m, "megatron", back, "hf", {}, safetensors::commit_folder);
  safetensors::FolderReader again(back);
  const MemoryTensors before = load(hf, m, "hf"), after = load(again, m, "hf");
  for (size_t i = 0; i < before.tensors().size(); ++i) EXPECT_EQ(before.bytes[i], after.bytes[i]) << before.tensors()[i].name;
  // The written configuration describes the same model.
  const llama::LlamaConfig a = llama::read_config_json(text_of(model / "config.json")),
                           b = llama::read_megatron_config(reader.info().config);
  EXPECT_EQ(shape_of(a).vocab_size, shape_of(b).vocab_size);
  EXPECT_EQ(a.rope_theta, b.rope_theta);
  EXPECT_EQ(a.rope_type, b.rope_type);
  EXPECT_EQ(a.rope_factor, b.rope_factor);
  EXPECT_EQ(a.original_max_position_embeddings, b.original_max_position_embeddings);
  EXPECT_EQ(a.tie_word_embeddings, b.tie_word_embeddings);
  EXPECT_EQ(a.rms_norm_eps, b.rms_norm_eps);
  EXPECT_EQ(a.num_key_value_heads, b.num_key_value_heads);
  EXPECT_EQ(a.head_dim, b.head_dim);
}

INSTANTIATE_TEST_SUITE_P(Conversion, Model, testing::Values("models/llama3", "models/llama31", "models/llama32", "megatron/per_layer/hf"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name)
                             if (c == '/') c = '_';
                           return name;
                         });

// Random shapes and random layouts: the map finds the layout from the names that are present.
TEST(MegatronMap, CoversEveryElementOnceForRandomShapesAndLayouts) {
  std::mt19937 random(7);
  const auto pick = [&](int64_t low, int64_t high) { return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1)); };
  for (int round = 0; round < 300; ++round) {
    const int64_t groups = pick(1, 4), heads = groups * pick(1, 4);
    const LlamaShape m{pick(1, 3), pick(1, 6), pick(1, 7), heads, groups, 2 * pick(1, 3), pick(1, 9), pick(0, 1) == 1, 1e-5, 0.02, 0, {}};
    std::vector<TensorInfo> present;
    const std::string prefix = pick(0, 3) == 0 ? "module." : "";
    if (pick(0, 3) > 0) {
      const int64_t rows = m.vocab_size + pick(0, 5);
      present.push_back(tensor(prefix + "embedding.word_embeddings.weight", {rows, m.hidden_size}));
      if (!m.tie_word_embeddings || pick(0, 1) == 1) present.push_back(tensor(prefix + "output_layer.weight", {rows, m.hidden_size}));
      const bool per_layer = pick(0, 1) == 1, apart = per_layer && pick(0, 1) == 1, own_norms = pick(0, 1) == 1;
      for (int64_t l = 0; l < m.num_hidden_layers; ++l) {
        const std::string at = prefix + "decoder.layers." + (per_layer ? std::to_string(l) + "." : "");
        present.push_back(tensor(at + (apart ? "mlp.linear_fc1.weight_w" : "mlp.linear_fc1.weight"), {}));
        present.push_back(tensor(at + (own_norms ? "pre_mlp_layernorm.weight" : "mlp.linear_fc1.layer_norm_weight"), {}));
      }
    }
    const WeightMap map = map_of(m, "megatron", present);
    ASSERT_NO_THROW(check_weight_map(map, parameters_of(m))) << round;
    for (const TensorInfo& t : present)
      EXPECT_TRUE(std::any_of(map.externals.begin(), map.externals.end(), [&](const TensorInfo& x) { return x.name == t.name; })) << t.name;

    // Every element has its own number, so a misplaced one is seen after the way back.
    MemoryTensors before(parameters_of(m)), after(parameters_of(m));
    float next = 0;
    for (size_t i = 0; i < before.tensors().size(); ++i) {
      std::vector<float> values(before.bytes[i].size() / 4);
      for (float& v : values) v = ++next;
      before.set(before.tensors()[i].name, values);
    }
    MemoryTensors stored(written_externals(map, before.tensors()));
    write_externals(map, before, stored);
    read_parameters(map, stored, after);
    EXPECT_EQ(before.bytes, after.bytes) << round;
  }
}

// One layer with two groups of two query heads of two features; the expected order of rows is written out.
TEST(MegatronMap, PutsTheHeadsOfAGroupTogetherAndGateBeforeUp) {
  const LlamaShape m{1, 1, 2, 4, 2, 2, 1, true, 1e-5, 0.02, 0, {}};
  MemoryTensors parameters(parameters_of(m));
  const std::string layer = "model.layers.0.";
  parameters.set(layer + "self_attn.q_proj.weight", std::vector<float>{0, 1, 10, 11, 20, 21, 30, 31});
  parameters.set(layer + "self_attn.k_proj.weight", std::vector<float>{100, 101, 110, 111});
  parameters.set(layer + "self_attn.v_proj.weight", std::vector<float>{200, 201, 210, 211});
  parameters.set(layer + "mlp.gate_proj.weight", std::vector<float>{1, 2});
  parameters.set(layer + "mlp.up_proj.weight", std::vector<float>{3, 4});
  const WeightMap map = map_of(m, "megatron");
  MemoryTensors stored(written_externals(map, parameters.tensors()));
  write_externals(map, parameters, stored);
  EXPECT_EQ(stored.values<float>("decoder.layers.self_attention.linear_qkv.weight"),
            (std::vector<float>{0, 1, 10, 11, 100, 101, 200, 201, 20, 21, 30, 31, 110, 111, 210, 211}));
  EXPECT_EQ(stored.values<float>("decoder.layers.mlp.linear_fc1.weight"), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(find_tensor(stored.tensors(), "output_layer.weight"), stored.tensors().size());
  EXPECT_LT(find_tensor(stored.tensors(), "decoder.layers.self_attention.core_attention._extra_state/shard_0_1"), stored.tensors().size());
}

// A sink fails in the middle: its error is thrown once, and no thread continues.
TEST(Engine, AnErrorInAnyThreadEndsTheConversion) {
  const LlamaShape m = shape_of(kGolden / "models/llama3");
  safetensors::FolderReader hf((kGolden / "models/llama3").string());
  class Failing final : public TensorSink {
   public:
    explicit Failing(std::vector<TensorInfo> tensors) : tensors_(std::move(tensors)) {}
    const std::vector<TensorInfo>& tensors() const override { return tensors_; }
    void write(size_t, uint64_t, const void*, uint64_t) override {
      if (++writes_ > 5) throw NoSpace("full");
    }
    bool concurrent() const override { return true; }

   private:
    std::vector<TensorInfo> tensors_;
    std::atomic<int> writes_{0};
  };
  Reading source(hf);
  Failing sink(parameters_of(m));
  EXPECT_THROW(read_parameters(map_of(m, "hf", source.tensors()), source, sink), NoSpace);
}

TEST(MegatronConfig, ReadsTheFilesOfBothProgramsAndRefusesOtherModels) {
  const auto read = [](const std::string& section, const std::string& more) {
    return llama::read_megatron_config("{\"" + section +
                                       R"(":{"num_layers":2,"hidden_size":32,"ffn_hidden_size":48,"num_attention_heads":4)" + more + "}}");
  };
  const llama::LlamaConfig bridge = read("model", R"(,"num_query_groups":2,"vocab_size":100,"rope_scaling":true,"rope_scaling_factor":32.0,
      "rotary_base":500000,"share_embeddings_and_output_weights":true,"seq_length":4096)");
  EXPECT_EQ(bridge.num_key_value_heads, 2);
  EXPECT_EQ(bridge.rope_factor, 32);
  EXPECT_EQ(bridge.original_max_position_embeddings, 8192);
  EXPECT_TRUE(bridge.tie_word_embeddings);
  EXPECT_EQ(bridge.head_dim, 8);
  const llama::LlamaConfig lm =
      read("args", R"(,"group_query_attention":false,"num_query_groups":1,"padded_vocab_size":128,"norm_epsilon":1e-6,
      "untie_embeddings_and_output_weights":true,"max_position_embeddings":2048,"use_rope_scaling":false)");
  EXPECT_EQ(lm.num_key_value_heads, 4);
  EXPECT_EQ(lm.vocab_size, 128);
  EXPECT_EQ(lm.rms_norm_eps, 1e-6);
  EXPECT_FALSE(lm.tie_word_embeddings);
  EXPECT_EQ(lm.rope_type, "none");
  const auto refusal = [&](const std::string& more) {
    try {
      read("model", R"(,"vocab_size":100)" + more);
      return std::string("accepted");
    } catch (const Error& e) {
      EXPECT_EQ(e.exit_code(), 2);
      return std::string(e.what());
    }
  };
  EXPECT_EQ(refusal(""), "accepted");
  for (const char* key : {R"("add_bias_linear":true)", R"("normalization":"LayerNorm")", R"("num_moe_experts":8)", R"("qk_layernorm":true)",
                          R"("gated_linear_unit":false)", R"("kv_channels":"x")", R"("rotary_base":-1)", R"("rotary_percent":0.5)"})
    EXPECT_NE(refusal(std::string(",") + key), "accepted") << key;
}

}  // namespace
}  // namespace corral::checkpoint
