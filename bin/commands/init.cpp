// `corral init`: writes a model folder with random weights.
#include <bit>
#include <cstdio>
#include <cstring>

#include "bin/job/job.h"
#include "bin/job/model_files.h"
#include "bin/job/settings.h"
#include "bin/terminal/graph_dump.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/sources.h"
#include "bin/terminal/voice.h"
#include "corral/error.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/new_folder.h"
#include "kernel/runtime/initialize.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"hf-path", Flag::kValue, "DIR", "folder to write", ""},
    {"seed", Flag::kValue, "N", "seed of the random weights (train.seed)", ""},
};
constexpr const char* kShared[] = {"recipe",    "config", "set", "model", "tokenizer", "precision", "device", "checkpoint-format",
                                   "dump-graph"};

// The initial values of a graph's parameters, made as they are read: a model of any size needs no memory.
class InitialTensors final : public checkpoint::TensorSource {
 public:
  InitialTensors(const Graph& graph, uint64_t seed) : seed_(seed), infos_(checkpoint::parameters_of(graph)) {
    for (const State& s : graph.states)
      if (s.kind == StateKind::PARAMETER) states_.push_back(s);
    for (const TensorInfo& t : infos_)
      if (t.dtype != DType::F32 && t.dtype != DType::BF16) fail("{}: weights of this precision cannot be initialized", t.name);
  }
  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  void read(size_t tensor, uint64_t offset, void* to, uint64_t size) override {
    const uint64_t width = infos_[tensor].dtype == DType::F32 ? 4 : 2, first = offset / width, last = (offset + size + width - 1) / width;
    values_.resize(last - first);
    runtime::initial_values(states_[tensor], infos_[tensor].name, seed_, first, values_);
    bytes_.resize(values_.size() * width);
    for (size_t i = 0; i < values_.size(); ++i) {
      auto bits = std::bit_cast<uint32_t>(values_[i]);
      if (width == 2) bits = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
      std::memcpy(bytes_.data() + i * width, &bits, width);
    }
    std::memcpy(to, bytes_.data() + (offset - first * width), size);
  }

 private:
  uint64_t seed_;
  std::vector<TensorInfo> infos_;
  std::vector<State> states_;
  std::vector<float> values_;
  std::vector<char> bytes_;
};

int run(const Arguments& arguments) {
  const std::string path = arguments.text("hf-path");
  if (path.empty()) fail("init needs the folder to write: --hf-path DIR");
  checkpoint::require_new_folder(path);
  const job::Host& host = host_of(arguments);
  config::RunConfig config = resolve(host, sources(arguments));
  config.set("peft.plugin", std::string("none"), "init");
  if (config.plugin("model").empty()) fail("init needs a model: --model llama32/1b, for one");
  const auto tokenizer = open_tokenizer(host, config, "");
  job::settle_vocabulary(host, config, tokenizer.get(), false);
  const train::Pipeline pipeline = printing_stages(arguments, make_pipeline(host, config));
  const runtime::Prepared prepared = job::naming_who_set_it(config, [&] { return pipeline.evaluation(1, 8); });
  std::optional<runtime::Session> planned;
  if (ends_with_graph(arguments, pipeline,
                      [&]() -> const runtime::Session& { return planned.emplace(open_device(host, config), std::vector{prepared}); }))
    return 0;
  InitialTensors tensors(prepared.graph, static_cast<uint64_t>(arguments.integer("seed", config.integer("train.seed"))));
  const CheckpointWriteRequest request = job::model_request(config, pipeline, tensors.tensors().at(0).dtype, std::nullopt, tokenizer.get());
  const std::string& format = config.text("checkpoint.format");
  uint64_t bytes = 0;
  int64_t parameters = 0;
  for (const TensorInfo& t : tensors.tensors()) {
    bytes += bytes_of(t.dtype, elements(t.shape));
    parameters += elements(t.shape);
  }
  checkpoint::make_folder(path, bytes, say, [&](const std::string& folder) {
    checkpoint::save_model(CheckpointFormat(host.plugins.load("checkpoint", format), config.options("checkpoint")), folder,
                           pipeline.model().handle.weight_map(pipeline.model().options, request.dialect), tensors, request);
  });
  say(printed("%s: %.1f million random parameters", path.c_str(), static_cast<double>(parameters) / 1e6));
  return 0;
}

}  // namespace

extern const Command command_init{"init", "write a model folder with random weights", "", kFlags, kShared, run};

}  // namespace corral::cli
