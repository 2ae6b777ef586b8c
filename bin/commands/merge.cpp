// `corral merge`: merges an adapter into its model.
#include "kernel/train/merge.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "bin/job/job.h"
#include "bin/job/model_files.h"
#include "bin/terminal/model_flags.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/sources.h"
#include "bin/terminal/voice.h"
#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/fingerprint.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/new_folder.h"
#include "kernel/checkpoint/stored_parameters.h"
#include "kernel/checkpoint/weight_map.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"checkpoint", Flag::kValue, "PATH", "run directory or checkpoint of an adapter", ""},
    {"hf-model", Flag::kValue, "DIR", "model to which --adapter applies", ""},
    {"adapter", Flag::kValue, "DIR", "folder of an adapter", ""},
    {"hf-path", Flag::kValue, "DIR", "folder to write", ""},
    {"dtype", Flag::kValue, "TYPE", "bf16 or fp32: of the merged weights (the model's own)", ""},
};
constexpr const char* kShared[] = {"recipe", "config", "set", "model", "precision", "peft", "device"};

constexpr char kFormat[] = "hf";  // the format of --hf-path

DType wanted_type(const Arguments& arguments) {
  const std::string name = arguments.text("dtype");
  if (name.empty()) return DType::DTYPE_NONE;
  if (name == "fp32" || name == "float32") return DType::F32;
  if (name == "bf16" || name == "bfloat16") return DType::BF16;
  fail("--dtype {}: expected bf16 or fp32", name);
}

class Merge {
 public:
  Merge(const Arguments& arguments, const job::Host& host, const config::RunConfig& config, const job::ModelSource& source)
      : arguments_(arguments), host_(host), config_(config), source_(source), pipeline_(make_pipeline(host, config)) {}

  void write(const std::string& folder) const {
    const std::vector<TensorInfo> parameters = checkpoint::parameters_of(pipeline_.evaluation(1, 1).graph);
    checkpoint::StoredParameters own = stored(source_, weight_map_of(source_, pipeline_.model().handle, pipeline_.model().options),
                                              parameters),
                                 added = stored(*source_.adapter, weight_map_of(*source_.adapter, pipeline_), parameters);
    train::MergedParameters merged(open_device(host_, config_), pipeline_.merging(), own.tensors(), added.tensors(),
                                   wanted_type(arguments_));
    CheckpointWriteRequest request;
    request.kind = "model";
    request.dialect = kFormat;
    request.files = files();
    ConfigRequest config;
    config.dialect = kFormat;
    config.options = pipeline_.model().options;
    config.original = job::config_in(source_.info, kFormat);
    const DType type = merged.tensors().at(0).dtype;
    config.dtype = type == DType::BF16 ? "bfloat16" : type == DType::F16 ? "float16" : "float32";
    request.config = pipeline_.model().handle.write_config(config);
    checkpoint::save_model(CheckpointFormat(host_.plugins.load("checkpoint", kFormat)), folder,
                           pipeline_.model().handle.weight_map(pipeline_.model().options, kFormat), merged, request);
  }

  // Prints how the logits change, for one row of tokens from all over the vocabulary, with float32 weights.
  void print_change(const std::string& merged) const {
    const int64_t length = std::min<int64_t>(64, config_.integer("model.max_position_embeddings"));
    const std::vector<float> before = logits(pipeline_, source_, length);
    const job::ModelSource after_source = open_model_folder(host_, {.path = merged, .model = source_.model_plugin});
    config::RunConfig after_config = config_;
    after_config.set("peft.plugin", std::string("none"), "merge");
    const std::vector<float> after = logits(make_pipeline(host_, after_config), after_source, length);
    double largest = 0, sum = 0, most = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      const double change = std::fabs(static_cast<double>(after[i]) - before[i]);
      largest = std::max(largest, change);
      sum += change;
      most = std::max(most, std::fabs(static_cast<double>(before[i])));
    }
    std::printf("logits of %lld tokens against model + adapter: largest change %.3g, mean %.3g (largest logit %.3g)\n",
                static_cast<long long>(length), largest, sum / static_cast<double>(before.size()), most);
  }

 private:
  // Adds the folder to an error, because two folders are read.
  template <class Source>
  static checkpoint::StoredParameters stored(const Source& source, WeightMap map, const std::vector<TensorInfo>& parameters) try {
    return checkpoint::StoredParameters(*source.reader, std::move(map), parameters);
  } catch (const Error& e) {
    throw Error(e.exit_code(), source.path + ": " + e.what());
  }

  // The model's files, and the adapter's own if it has some: the tokenizer that it was trained with.
  std::vector<NamedFile> files() const {
    std::vector<NamedFile> all = source_.info.files;
    for (const NamedFile& f : source_.adapter->info.files) {
      if (f.name == "README.md" || f.name == checkpoint::kFingerprintName) continue;
      std::erase_if(all, [&](const NamedFile& g) { return g.name == f.name; });
      all.push_back(f);
    }
    return all;
  }

  std::vector<float> logits(const train::Pipeline& pipeline, const job::ModelSource& source, int64_t length) const {
    runtime::Session session(open_device(host_, config_), {pipeline.logits(1, length)});
    job::allocate(session, "");
    load_parameters(source, pipeline, session);
    std::vector<int32_t> tokens, positions, first(static_cast<size_t>(length));
    for (int64_t i = 0; i < length; ++i) {
      tokens.push_back(static_cast<int32_t>((i * 7919 + 13) % config_.integer("model.vocab_size")));
      positions.push_back(static_cast<int32_t>(i));
    }
    for (const auto& [name, values] :
         {std::pair{"tokens", &tokens}, {"positions", &positions}, {"first_key", &first}, {"last_key", &positions}})
      session.write(session.input("logits", name), values->data(), values->size() * sizeof(int32_t));
    session.run(session.program("logits", [](const Node&) { return true; }));
    const runtime::TensorRef out = session.output("logits", "logits");
    std::vector<float> result(out.bytes() / sizeof(float));
    session.read(out, result.data(), out.bytes());
    return result;
  }

  const Arguments& arguments_;
  const job::Host& host_;
  const config::RunConfig& config_;
  const job::ModelSource& source_;
  train::Pipeline pipeline_;
};

int run(const Arguments& arguments) {
  const job::Host& host = host_of(arguments);
  const std::string path = arguments.text("hf-path"), model = arguments.text("hf-model");
  if (path.empty()) fail("merge needs the folder to write: --hf-path DIR");
  if (model.empty() == !arguments.has("checkpoint")) fail("merge needs one of --checkpoint RUN, or --hf-model DIR with --adapter DIR");
  wanted_type(arguments);
  checkpoint::require_new_folder(path);
  const job::ModelSource source = open_model(host, model_at(arguments, model.empty() ? arguments.text("checkpoint") : model));
  if (!source.adapter) fail("{}: nothing to merge: this is a whole model, and --adapter names none", source.path);
  const config::RunConfig config = configure_for(host, sources(arguments), source);
  const Merge merge(arguments, host, config, source);
  checkpoint::make_folder(path, 0, say, [&](const std::string& folder) { merge.write(folder); });
  merge.print_change(path);
  say("wrote " + path);
  return 0;
}

}  // namespace

extern const Command command_merge{"merge", "write a model with its adapter merged into the weights", "", kFlags, kShared, run};

}  // namespace corral::cli
