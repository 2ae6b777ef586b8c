// A Llama in training, cut as the parallel plugins ask: the ranks compute the numbers of one, in float64.
#include <gtest/gtest.h>

#include <fstream>

#include "corral/error.h"
#include "kernel/graph/print.h"
#include "kernel/graph/verify.h"
#include "kernel/partition/stage.h"
#include "kernel/train/pipeline.h"
#include "plugins/model/llama31/options.wire.h"
#include "plugins/optimizer/adamw/options.wire.h"
#include "plugins/peft/dora/options.wire.h"
#include "plugins/peft/lora/options.wire.h"
#include "tests/conformance/load_device.h"
#include "tests/partition/distance.h"
#include "tests/partition/without_conversion.h"

namespace corral {
namespace {

std::shared_ptr<const Plugin> built(const std::string& plugin, const char* id) {
  return load_built(CORRAL_BINARY_DIR "/plugins/" + plugin + "/" + plugin.substr(plugin.find('/') + 1) + ".so", id);
}

struct Layout {
  const char* name;
  const char* peft;  // "" trains the model
  std::vector<partition::Dimension> mesh;
  bool sequence = false;
  bool tied = false;
  int64_t num_key_value_heads = 4;
};

train::Pipeline pipeline_of(const Layout& layout) {
  options::llama31::Options model;
  model.hidden_size = 16;
  model.intermediate_size = 24;
  model.num_hidden_layers = 2;
  model.num_attention_heads = 4;
  model.num_key_value_heads = layout.num_key_value_heads;
  model.head_dim = 4;
  model.vocab_size = 16;
  model.tie_word_embeddings = layout.tied;
  train::Pipeline pipeline({ModelHandle(built("model/llama31", CORRAL_MODEL_ID)), model.encode()},
                           {PrecisionHandle(built("precision/fp32", CORRAL_PRECISION_ID)), ""});
  if (*layout.peft) {
    options::lora::Options lora;
    lora.dim = 2;
    pipeline.set_peft({PeftHandle(built(std::string("peft/") + layout.peft, CORRAL_PEFT_ID)), lora.encode()});
  }
  return pipeline;
}

std::vector<train::Chosen<ParallelHandle>> parallel_of(const Layout& layout) {
  std::vector<train::Chosen<ParallelHandle>> all;
  const auto add = [&](const std::string& name) { all.push_back({ParallelHandle(built("parallel/" + name, CORRAL_PARALLEL_ID)), ""}); };
  for (const partition::Dimension& d : layout.mesh) add(d.name);
  if (layout.sequence) add("sequence");
  return all;
}

Graph training(const train::Pipeline& pipeline, std::vector<std::pair<TensorId, int64_t>>* firsts = nullptr) {
  options::adamw::Options adamw;
  Graph graph;
  train::Pipeline seen = pipeline;
  seen.set_dump([&](const std::string& stage, const Graph& g) {
    if (stage == "partition") graph = g;
  });
  const runtime::Prepared prepared = seen.training(2, 8, {OptimizerHandle(built("optimizer/adamw", CORRAL_OPTIMIZER_ID)), adamw.encode()});
  if (firsts) *firsts = prepared.constants;
  return graph;
}

// Each conversion of a rank's graph, as "forward layers.0: all_gather tensor attention_norm f32[2 8 16]", without the second layer.
std::string conversions(const Graph& g) {
  constexpr const char* kPhases[] = {"forward", "backward", "update"};
  std::string all;
  for (const Node& n : g.nodes) {
    const Attribute* mesh = find_attribute(g, n, "mesh");
    const std::string& scope = g.names[n.scope];
    if (!mesh || scope == "layers.1" || name_of(g, n.inputs[0]).find("layers.1.") != std::string::npos) continue;
    all += format("{} {}: {} {} {} [", kPhases[static_cast<size_t>(n.phase)], scope, op_of(g, n), mesh->text, name_of(g, n.inputs[0]));
    for (const int64_t extent : g.tensors[n.outputs[0]].shape) all += std::to_string(extent) + " ";
    all.back() = ']';
    all += "\n";
  }
  return all;
}

// The section of conversions.txt below the line "# NAME".
std::string expected_conversions(const std::string& name) {
  std::ifstream in(CORRAL_SOURCE_DIR "/tests/partition/conversions.txt");
  std::string section;
  bool own = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# "))
      own = line == "# " + name;
    else if (own && !line.empty())
      section += line + "\n";
  }
  return section;
}

class LlamaCuts : public testing::TestWithParam<Layout> {
 protected:
  static Graph first_rank() {
    train::Pipeline pipeline = pipeline_of(GetParam());
    pipeline.set_ranks(GetParam().mesh, parallel_of(GetParam()));
    return training(pipeline);
  }
};

TEST_P(LlamaCuts, HaveTheConversionsOfTheList) {
  const std::string found = conversions(first_rank());
  EXPECT_EQ(found, expected_conversions(GetParam().name)) << "# " << GetParam().name << "\n" << found;
}

TEST_P(LlamaCuts, AreRefusedWithoutAnyOfTheirConversions) {
  const Graph rank = first_rank();
  for (size_t i = 0; i < rank.nodes.size(); ++i) {
    if (find_attribute(rank, rank.nodes[i], "mesh"))
      EXPECT_THROW(partition::verify(without_conversion(rank, i), partition::Stage::kPartitioned), Error) << graph::where(rank, i);
  }
}

TEST_P(LlamaCuts, GiveTheNumbersOfOneRank) {
  const Layout& layout = GetParam();
  const Graph whole = training(pipeline_of(layout));
  graph::Mesh mesh;
  for (const partition::Dimension& d : layout.mesh) mesh.dimensions.push_back({d.name, d.ranks});
  std::vector<Graph> ranks;
  std::vector<std::vector<std::pair<TensorId, int64_t>>> firsts(mesh.ranks());
  for (size_t rank = 0; rank < mesh.ranks(); ++rank) {
    train::Pipeline pipeline = pipeline_of(layout);
    std::vector<partition::Dimension> own = layout.mesh;
    for (partition::Dimension& d : own) d.rank = static_cast<uint32_t>(mesh.coordinate(rank, d.name));
    pipeline.set_ranks(own, parallel_of(layout));
    ranks.push_back(training(pipeline, &firsts[rank]));
  }
  EXPECT_LT(distance(whole, ranks, 1, mesh,
                     [&](graph::RankInterpreter& many) {
                       for (size_t rank = 0; rank < ranks.size(); ++rank)
                         for (const auto& [t, value] : firsts[rank]) many[rank][t] = {static_cast<double>(value)};
                     }),
            1e-12)
      << graph::text_of(ranks[0]);
}

INSTANTIATE_TEST_SUITE_P(Partition, LlamaCuts,
                         testing::Values(Layout{"DataParallel", "", {{"data", 2, 0}}}, Layout{"TensorParallel", "", {{"tensor", 2, 0}}},
                                         Layout{"TensorParallelOfFour", "", {{"tensor", 4, 0}}},
                                         Layout{"TiedTensorParallel", "", {{"tensor", 2, 0}}, false, true},
                                         Layout{"GroupedTensorParallel", "", {{"tensor", 2, 0}}, false, false, 2},
                                         Layout{"FewerGroupsThanRanks", "", {{"tensor", 4, 0}}, true, false, 2},
                                         Layout{"SequenceParallel", "", {{"tensor", 2, 0}}, true},
                                         Layout{"ContextParallel", "", {{"context", 2, 0}}},
                                         Layout{"LoraTensorParallel", "lora", {{"tensor", 2, 0}}},
                                         Layout{"LoraSequenceParallel", "lora", {{"tensor", 2, 0}}, true},
                                         Layout{"DoraTensorParallel", "dora", {{"tensor", 2, 0}}},
                                         Layout{"DataAndTensor", "", {{"data", 2, 0}, {"tensor", 2, 0}}, true},
                                         Layout{"AllFour", "", {{"data", 2, 0}, {"context", 2, 0}, {"tensor", 2, 0}}, true},
                                         Layout{"AllFourOfDora", "dora", {{"data", 2, 0}, {"context", 2, 0}, {"tensor", 2, 0}}, true}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace corral
