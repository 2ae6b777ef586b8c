// `corral eval`: computes loss, perplexity and bits per byte of a model on data, and logits and gradients to compare with other programs.
#include <cmath>
#include <cstdio>
#include <cstring>

#include "bin/job/job.h"
#include "bin/job/settings.h"
#include "bin/terminal/graph_dump.h"
#include "bin/terminal/json.h"
#include "bin/terminal/model_flags.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/sources.h"
#include "corral/error.h"
#include "kernel/passes/texts.h"
#include "kernel/train/session_tensors.h"
#include "kernel/train/step.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"adapter", Flag::kValue, "DIR", "folder of an adapter to apply to the model", ""},
    {"checkpoint", Flag::kValue, "PATH", "run directory, checkpoint or model folder to evaluate", ""},
    {"hf-model", Flag::kValue, "DIR", "Hugging Face folder to run; with another model, its configuration and tokenizer", ""},
    {"megatron-path", Flag::kValue, "DIR", "Megatron folder to run", ""},
    {"logits", Flag::kValue, "FILE", "write logits, and loss and targets of each sequence, float32", ""},
    {"gradients", Flag::kValue, "FILE", "write the gradient of the mean loss of each trained parameter, float32", ""},
    {"json", Flag::kNothing, "", "print one JSON object", ""},
};
constexpr const char* kShared[] = {
    "recipe",     "config",    "set",  "model", "data", "dataset", "tokenizer", "micro-batch-size", "global-batch-size",
    "seq-length", "precision", "peft", "tp",    "pp",   "vp",      "cp",        "device",           "dump-graph"};

job::NamedTensor tensor(const std::string& name, Shape shape, const void* data, size_t bytes) {
  job::NamedTensor t;
  t.info.name = name;
  t.info.dtype = DType::F32;
  t.info.shape = std::move(shape);
  t.bytes.resize(bytes);
  std::memcpy(t.bytes.data(), data, bytes);
  return t;
}

class Evaluation {
 public:
  Evaluation(const Arguments& arguments, const job::Host& host, const config::RunConfig& config, const job::ModelSource& source)
      : arguments_(arguments),
        host_(host),
        config_(config),
        source_(source),
        tokenizer_(open_tokenizer(host, config, source)),
        data_(open_dataset(host, config, tokenizer_.get(), true)),
        part_(data_->info().parts.at(0)),
        pipeline_(printing_stages(arguments, make_pipeline(host, config))),
        session_(open_device(host, config), graphs()) {}

  int run() {
    if (ends_with_graph(arguments_, pipeline_, [&]() -> const runtime::Session& { return session_; })) return 0;
    job::allocate(session_, "to use less: a smaller train.micro_batch_size or train.seq_length, or --precision bf16");
    load_parameters(source_, pipeline_, session_);
    const bool gradients = arguments_.has("gradients");
    train::Step step(session_, gradients ? "gradients" : "evaluation", 0);
    const train::Fetch fetch = job::fetch_part(data_, 0);
    const int64_t rows = step.rows();
    const size_t logits_program =
        arguments_.has("logits") ? session_.program("logits", [](const Node& n) { return n.when == When::EVERY; }) : 0;
    train::Batch batch(rows, step.seq_length());
    train::StepResult result;
    step.prepare();
    const auto total = static_cast<int64_t>(part_.rows), count = (total + rows - 1) / rows;
    for (int64_t i = 0; i < count; ++i) {
      fetch(static_cast<uint64_t>(i * rows), batch);
      const int64_t present = std::min(rows, total - i * rows);
      // The data repeats after the last row; repeated rows do not count.
      std::fill(batch.targets.begin() + present * step.seq_length(), batch.targets.end(), -1);
      std::fill(batch.weights.begin() + present * step.seq_length(), batch.weights.end(), 0);
      if (gradients) {
        step.forward_backward(batch, 0, i, count, static_cast<uint64_t>(i * rows));
        step.collect(batch, result, &row_losses_);
      } else {
        step.forward(batch, result, &row_losses_);
      }
      row_losses_.resize(static_cast<size_t>(i * rows + present));
      if (arguments_.has("logits")) collect_logits(logits_program, batch, present);
    }
    if (!(result.weight_sum > 0)) fail("{}: no sequence has a target", config_.list("data.paths")[0]);
    if (gradients) write_gradients(result.weight_sum);
    if (arguments_.has("logits")) write_logits(total, step.seq_length());
    print(result);
    return 0;
  }

 private:
  std::vector<runtime::Prepared> graphs() {
    const int64_t rows = config_.integer("train.micro_batch_size"), length = config_.integer("train.seq_length");
    std::vector<runtime::Prepared> graphs{arguments_.has("gradients") ? pipeline_.gradients(rows, length)
                                                                      : pipeline_.evaluation(rows, length)};
    if (arguments_.has("logits")) graphs.push_back(pipeline_.logits(rows, length));
    for (runtime::Prepared& p : graphs) p.graph = passes::tell_texts(std::move(p.graph), data_->info().texts);
    return graphs;
  }

  void collect_logits(size_t program, const train::Batch& batch, int64_t present) {
    for (const auto& [name, values] : {std::pair{"tokens", &batch.tokens},
                                       {"positions", &batch.positions},
                                       {"first_key", &batch.first_key},
                                       {"last_key", &batch.last_key}})
      session_.write(session_.input("logits", name), values->data(), values->size() * sizeof(int32_t));
    session_.run(program);
    const runtime::TensorRef logits = session_.output("logits", "logits");
    const size_t before = logits_.size(), a_row = static_cast<size_t>(logits.shape[1] * logits.shape[2]) * sizeof(float);
    logits_.resize(before + a_row * static_cast<size_t>(present));
    session_.read(logits, logits_.data() + before, a_row * static_cast<size_t>(present));
  }

  void write_logits(int64_t rows, int64_t length) {
    std::vector<float> loss, targets;
    for (const train::RowLoss& r : row_losses_) {
      loss.push_back(static_cast<float>(r.loss));
      targets.push_back(static_cast<float>(r.targets));
    }
    job::write_tensor_file(host_, arguments_.text("logits"),
                           {tensor("logits", {rows, length, config_.integer("model.vocab_size")}, logits_.data(), logits_.size()),
                            tensor("loss", {rows}, loss.data(), loss.size() * sizeof(float)),
                            tensor("targets", {rows}, targets.data(), targets.size() * sizeof(float))});
  }

  void write_gradients(double weights) {
    train::SessionTensors gradients = train::gradients_of(session_);
    std::vector<job::NamedTensor> tensors;
    for (size_t i = 0; i < gradients.tensors().size(); ++i) {
      const TensorInfo& info = gradients.tensors()[i];
      std::vector<float> values(static_cast<size_t>(elements(info.shape)));
      gradients.read(i, 0, values.data(), values.size() * sizeof(float));
      for (float& x : values) x = static_cast<float>(x / weights);
      tensors.push_back(tensor(info.name, info.shape, values.data(), values.size() * sizeof(float)));
    }
    job::write_tensor_file(host_, arguments_.text("gradients"), tensors);
  }

  void print(const train::StepResult& result) const {
    const double loss = result.loss();
    const auto bits_per_byte = [&](double nats) { return nats / std::log(2.0) / static_cast<double>(part_.bytes); };
    const double bits = part_.bytes ? bits_per_byte(result.loss_sum) : 0;
    const double unigram_bits = part_.bytes ? bits_per_byte(part_.unigram_entropy * static_cast<double>(result.targets)) : 0;
    if (arguments_.has("json")) {
      nlohmann::ordered_json json{{"loss", loss}, {"perplexity", std::exp(loss)}};
      if (part_.bytes) json["bits_per_byte"] = bits;
      json["targets"] = result.targets;
      json["rows"] = part_.rows;
      if (part_.unigram_entropy > 0) json["unigram_loss"] = part_.unigram_entropy;
      if (unigram_bits > 0) json["unigram_bits_per_byte"] = unigram_bits;
      return print_json(json);
    }
    std::printf("loss           %.6f nats a target\nperplexity     %.4f\n", loss, std::exp(loss));
    if (part_.bytes) std::printf("bits per byte  %.4f\n", bits);
    std::printf("targets        %llu in %llu sequences\n", static_cast<unsigned long long>(result.targets),
                static_cast<unsigned long long>(part_.rows));
    if (part_.unigram_entropy > 0) std::printf("unigram loss   %.6f (from the frequencies of the tokens alone)\n", part_.unigram_entropy);
    if (unigram_bits > 0) std::printf("               %.4f bits per byte\n", unigram_bits);
  }

  const Arguments& arguments_;
  const job::Host& host_;
  const config::RunConfig& config_;
  const job::ModelSource& source_;
  std::shared_ptr<const TokenizerHandle> tokenizer_;
  std::shared_ptr<const DatasetHandle> data_;
  DatasetPart part_;
  train::Pipeline pipeline_;
  runtime::Session session_;
  std::vector<train::RowLoss> row_losses_;
  std::vector<char> logits_;
};

int run(const Arguments& arguments) {
  const job::Host& host = host_of(arguments);
  const job::WantedModel wanted = wanted_model(arguments, "eval");
  for (const char* flag : {"logits", "gradients"})
    if (arguments.has(flag)) job::check_tensor_file(flag, arguments.text(flag));
  config::Sources from = sources(arguments);
  const job::ModelSource source = open_model(host, wanted);
  const config::RunConfig config = configure_to_run(host, from, source);
  return job::naming_who_set_it(config, [&] { return Evaluation(arguments, host, config, source).run(); });
}

}  // namespace

extern const Command command_eval{"eval", "loss, perplexity and bits per byte of a model on data", "", kFlags, kShared, run, Ranks::kAll};

}  // namespace corral::cli
