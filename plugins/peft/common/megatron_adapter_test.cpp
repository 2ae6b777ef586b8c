#include "plugins/peft/common/megatron_adapter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "plugins/peft/common/test_model.h"

namespace corral::lowrank {
namespace {
using nlohmann::json;

constexpr int64_t kD = 8, kF = 12, kKv = 4, kRank = 3, kHead = 2;  // sizes of test_model: two groups of two query heads

Settings settings(std::vector<std::string> targets, bool magnitude = false) {
  return {kRank, 6, 0.1, std::move(targets), {}, "xavier", false, magnitude};
}

const std::vector<std::string> kFused = {"linear_qkv", "linear_proj", "linear_fc1", "linear_fc2"};
const std::vector<std::string> kParts = {"linear_q",        "linear_k",      "linear_v",  "linear_proj",
                                         "linear_fc1_gate", "linear_fc1_up", "linear_fc2"};

View view(const std::string& tensor, int64_t offset, std::vector<int64_t> sizes, std::vector<int64_t> strides) {
  View v;
  v.tensor = tensor;
  v.offset = offset;
  v.sizes = std::move(sizes);
  v.strides = std::move(strides);
  return v;
}

// Megatron's layout of the test model: two layers in stacks.
WeightMap model_map() {
  constexpr int64_t kLayers = 2, kQkv = kD + 2 * kKv, kGroup = 4 * kHead;
  WeightMap map;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape, int64_t offset, const std::string& parameter,
                       std::vector<int64_t> sizes, int64_t stride, int64_t own_stride) {
    if (std::none_of(map.externals.begin(), map.externals.end(), [&](const TensorInfo& t) { return t.name == name; })) {
      TensorInfo t;
      t.name = name;
      t.shape = std::move(shape);
      map.externals.push_back(std::move(t));
    }
    WeightEntry e;
    e.external = view(name, offset, sizes, sizes.size() == 2 ? std::vector<int64_t>{stride, 1} : std::vector<int64_t>{1});
    e.parameter = view(parameter, 0, sizes, sizes.size() == 2 ? std::vector<int64_t>{own_stride, 1} : std::vector<int64_t>{1});
    map.entries.push_back(std::move(e));
  };
  for (int64_t l = 0; l < kLayers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".", stack = "decoder.layers.";
    const std::string qkv = stack + "self_attention.linear_qkv.weight", fc1 = stack + "mlp.linear_fc1.weight";
    const int64_t at = l * kQkv * kD;
    add(qkv, {kLayers, kQkv, kD}, at, layer + "self_attn.q_proj.weight", {2, 2 * kHead * kD}, kGroup * kD, 2 * kHead * kD);
    add(qkv, {}, at + 2 * kHead * kD, layer + "self_attn.k_proj.weight", {2, kHead * kD}, kGroup * kD, kHead * kD);
    add(qkv, {}, at + 3 * kHead * kD, layer + "self_attn.v_proj.weight", {2, kHead * kD}, kGroup * kD, kHead * kD);
    add(stack + "self_attention.linear_proj.weight", {kLayers, kD, kD}, l * kD * kD, layer + "self_attn.o_proj.weight", {kD * kD}, 0, 0);
    add(fc1, {kLayers, 2 * kF, kD}, l * 2 * kF * kD, layer + "mlp.gate_proj.weight", {kF * kD}, 0, 0);
    add(fc1, {}, (l * 2 + 1) * kF * kD, layer + "mlp.up_proj.weight", {kF * kD}, 0, 0);
    add(stack + "mlp.linear_fc2.weight", {kLayers, kD, kF}, l * kD * kF, layer + "mlp.down_proj.weight", {kD * kF}, 0, 0);
  }
  return map;
}

// For each stored tensor, the parameter and the element at each of its indices; checks that every index is mapped once.
using Places = std::map<std::string, std::vector<std::pair<std::string, int64_t>>>;
Places places(const WeightMap& map) {
  Places all;
  for (const TensorInfo& t : map.externals) {
    int64_t count = 1;
    for (const int64_t n : t.shape) count *= n;
    all[t.name].resize(static_cast<size_t>(count));
  }
  std::map<std::pair<std::string, int64_t>, int> seen;
  for (const WeightEntry& e : map.entries) {
    const bool runs = e.external.sizes.size() == 2;
    for (int64_t i = 0; i < (runs ? e.external.sizes[0] : 1); ++i)
      for (int64_t j = 0; j < e.external.sizes.back(); ++j) {
        const int64_t x = e.external.offset + (runs ? i * e.external.strides[0] : 0) + j,
                      p = e.parameter.offset + (runs ? i * e.parameter.strides[0] : 0) + j;
        auto& place = all.at(e.external.tensor).at(static_cast<size_t>(x));
        EXPECT_EQ(place.first, "") << e.external.tensor << " at " << x;
        place = {e.parameter.tensor, p};
        EXPECT_EQ((++seen[{e.parameter.tensor, p}]), 1) << e.parameter.tensor << " at " << p;
      }
  }
  for (const auto& [name, tensor] : all)
    for (const auto& [parameter, at] : tensor) EXPECT_NE(parameter, "") << name;
  return all;
}

const std::string kLayer1 = "base_model.model.model.layers.1.";

TEST(MegatronAdapter, FusedLayersShareTheFirstMatrixAndKeepTheRowsOfTheirWeight) {
  const Places all = places(megatron_adapter_map(Adapters(test_model(), settings(kFused)), model_map(), ""));
  EXPECT_EQ(all.size(), 8u);
  const auto& in = all.at("decoder.layers.self_attention.linear_qkv.adapter.linear_in.weight");
  EXPECT_EQ(in.size(), 2u * kRank * kD);
  EXPECT_EQ(in[kRank * kD + 5], std::pair(first_matrix("model.layers.1.self_attn.linear_qkv"), int64_t{5}));
  // The rows of a group: two query heads, key, value.
  const auto& out = all.at("decoder.layers.self_attention.linear_qkv.adapter.linear_out.weight");
  const auto row = [&](int64_t r) { return out[static_cast<size_t>((16 + r) * kRank)]; };
  EXPECT_EQ(row(0), std::pair(kLayer1 + "self_attn.q_proj.lora_B.weight", int64_t{0}));
  EXPECT_EQ(row(4), std::pair(kLayer1 + "self_attn.k_proj.lora_B.weight", int64_t{0}));
  EXPECT_EQ(row(6), std::pair(kLayer1 + "self_attn.v_proj.lora_B.weight", int64_t{0}));
  EXPECT_EQ(row(8), std::pair(kLayer1 + "self_attn.q_proj.lora_B.weight", 4 * kRank));
  const auto& fc1 = all.at("decoder.layers.mlp.linear_fc1.adapter.linear_out.weight");
  EXPECT_EQ(fc1[static_cast<size_t>((24 + kF) * kRank)], std::pair(kLayer1 + "mlp.up_proj.lora_B.weight", int64_t{0}));
}

TEST(MegatronAdapter, PartsHaveMatricesOfTheirOwnInTheirOwnOrder) {
  const Places all = places(megatron_adapter_map(Adapters(test_model(), settings(kParts)), model_map(), ""));
  EXPECT_EQ(all.size(), 14u);
  const auto& q = all.at("decoder.layers.self_attention.linear_qkv.adapter.adapter_q.linear_out.weight");
  for (size_t i = 0; i < static_cast<size_t>(kD * kRank); ++i)
    EXPECT_EQ(q[kD * kRank + i], std::pair(kLayer1 + "self_attn.q_proj.lora_B.weight", static_cast<int64_t>(i)));
  EXPECT_TRUE(all.contains("decoder.layers.mlp.linear_fc1.adapter.adapter_up.linear_in.weight"));
  EXPECT_TRUE(all.contains("decoder.layers.mlp.linear_fc2.adapter.linear_in.weight"));
}

// Tensor-parallel ranks store a matrix for gate or up in halves: the second half of each rank's rows is in the second half of the tensor.
TEST(MegatronAdapter, RowsThatRanksCutInHalvesAreTakenTogether) {
  const Places all =
      places(megatron_adapter_map(Adapters(test_model(), settings(kParts)), model_map(), R"({"model":{"tensor_model_parallel_size":2}})"));
  const auto& gate = all.at("decoder.layers.mlp.linear_fc1.adapter.adapter_gate.linear_out.weight");
  std::vector<int64_t> rows;
  for (int64_t r = 0; r < kF; ++r) rows.push_back(gate[static_cast<size_t>(r * kRank)].second / kRank);
  EXPECT_EQ(rows, (std::vector<int64_t>{0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11}));
  const auto& q = all.at("decoder.layers.self_attention.linear_qkv.adapter.adapter_q.linear_out.weight");
  EXPECT_EQ(q[2 * kRank].second, 2 * kRank);
}

TEST(MegatronAdapter, MagnitudesStandAsTheRowsOfEachRankDo) {
  const auto ups = [](const std::string& config) {
    const Places all = places(megatron_adapter_map(Adapters(test_model(), settings(kFused, true)), model_map(), config));
    EXPECT_EQ(all.size(), 12u);
    std::vector<int64_t> at;
    const auto& m = all.at("decoder.layers.mlp.linear_fc1.adapter.weight_magnitude");
    for (size_t i = 0; i < 2 * kF; ++i)
      if (m[i].first.find("up_proj.lora_magnitude_vector") != std::string::npos) at.push_back(static_cast<int64_t>(i));
    return at;
  };
  EXPECT_EQ(ups(""), (std::vector<int64_t>{12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}));
  EXPECT_EQ(ups(R"({"model":{"tensor_model_parallel_size":2}})"), (std::vector<int64_t>{6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23}));
}

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), 2) << e.what();
    return e.what();
  }
  return "accepted";
}

TEST(MegatronAdapter, RefusesAdaptersThatMegatronBridgeCannotStore) {
  const auto map = [](const Settings& s) { return error_of([&] { megatron_adapter_map(Adapters(test_model(), s), model_map(), ""); }); };
  EXPECT_NE(map(settings({"*.layers.0.*.linear_proj"})).find("1 of 2 layers have"), std::string::npos);
  EXPECT_NE(map(settings({"linear_q"}, true)).find("no DoRA for a part of"), std::string::npos);
  Settings whole = settings({"linear_proj"});
  whole.modules_to_save = {"norm"};
  EXPECT_NE(map(whole).find("modules_to_save"), std::string::npos);
  EXPECT_NE(error_of([&] {
              write_megatron_adapter(Adapters(test_model(), settings({"linear_qkv", "linear_fc1_up"})), "");
            }).find("for some fused layers and for the parts of others"),
            std::string::npos);
}

AdapterConfig read(const std::string& text) {
  std::string other;
  const AdapterConfig c = read_megatron_adapter(text, other);
  EXPECT_EQ(other, "");
  return c;
}

TEST(MegatronAdapter, ItsConfigurationReadsBackAsItWasWritten) {
  const auto written = [](std::vector<std::string> targets, bool magnitude = false) {
    return write_megatron_adapter(Adapters(test_model(), settings(std::move(targets), magnitude)), "ck/base");
  };
  const AdapterConfig fused = read(written(kFused));
  EXPECT_EQ(fused.r, kRank);
  EXPECT_EQ(fused.lora_alpha, 6);
  EXPECT_EQ(fused.lora_dropout, 0.1);
  EXPECT_EQ(fused.base_model_name_or_path, "ck/base");
  EXPECT_EQ(fused.target_modules, (std::vector<std::string>{"linear_fc1", "linear_fc2", "linear_proj", "linear_qkv"}));
  EXPECT_FALSE(fused.use_dora);
  EXPECT_TRUE(read(written(kFused, true)).use_dora);
  EXPECT_EQ(json::parse(written({"linear_proj"}))["peft"]["_target_"], "megatron.bridge.peft.lora.LoRA");
  const json parts = json::parse(written({"q_proj", "down_proj"}));
  EXPECT_EQ(parts["peft"]["_target_"], "megatron.bridge.peft.canonical_lora.CanonicalLoRA");
  EXPECT_EQ(parts["peft"]["target_modules"], (json{"linear_fc2", "linear_q"}));
  // rsLoRA divides by the root of the rank, Megatron Bridge always by the rank.
  Settings s = settings(kFused);
  s.use_rslora = true;
  EXPECT_NEAR(read(write_megatron_adapter(Adapters(test_model(), s), "")).lora_alpha / kRank, s.scale(), 1e-15);
}

TEST(MegatronAdapter, ADamagedConfigurationIsRefusedByItsKey) {
  const json good = json::parse(write_megatron_adapter(Adapters(test_model(), settings(kFused)), ""));
  for (const auto& [key, value, part] :
       std::vector<std::tuple<const char*, json, const char*>>{{"dim", 0, "peft.dim = 0"},
                                                               {"dim", nullptr, "peft.dim is missing"},
                                                               {"alpha", "x", "peft.alpha"},
                                                               {"target_modules", json::array(), "peft.target_modules"},
                                                               {"target_modules", nullptr, "peft.target_modules is missing"},
                                                               {"exclude_modules", {"linear_qkv"}, "peft.exclude_modules"},
                                                               {"_target_", nullptr, "peft._target_ is missing"}}) {
    json changed = good;
    changed["peft"][key] = value;
    EXPECT_NE(error_of([&, &v = changed] { read(v.dump()); }).find(part), std::string::npos) << key;
  }
  EXPECT_NE(error_of([] { read(R"({"model":{}})"); }).find("the section peft is missing"), std::string::npos);
  json other = good;
  other["peft"]["_target_"] = "megatron.bridge.peft.other.Other";
  std::string name;
  read_megatron_adapter(other.dump(), name);
  EXPECT_EQ(name, "megatron.bridge.peft.other.Other");
  other["peft"] = good["peft"];
  other["peft"]["dropout_position"] = "post";
  EXPECT_EQ(read(other.dump()).lora_dropout, 0);
}

}  // namespace
}  // namespace corral::lowrank
