#include "bin/job/training.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "bin/job/job.h"
#include "bin/job/model_files.h"
#include "bin/job/preflight.h"
#include "bin/job/resident_memory.h"
#include "bin/job/run_directory.h"
#include "bin/job/run_saver.h"
#include "bin/job/run_start.h"
#include "bin/job/settings.h"
#include "bin/job/trackers.h"
#include "bin/job/training_sample.h"
#include "bin/job/training_state.h"
#include "bin/job/untrained_rows.h"
#include "corral/error.h"
#include "kernel/checkpoint/files.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/weight_map.h"
#include "kernel/passes/texts.h"
#include "kernel/runtime/initialize.h"
#include "kernel/train/stop.h"

namespace corral::job {
namespace {
namespace fs = std::filesystem;
constexpr char kLessMemory[] =
    "to use less: a smaller train.micro_batch_size or train.seq_length, recompute.granularity=full, --precision bf16, or a smaller model";

class Training {
 public:
  Training(const Host& host, const TrainingRequest& request, RunStart& start)
      : host_(host),
        request_(request),
        start_(start),
        config_(start.config),
        dir_(run_directory(config_)),
        tokenizer_(open_tokenizer(host, config_, tokenizer_folder())),
        saver_(host, config_, checkpoints_of(config_, dir_), tokenizer_),
        log_(host) {
    take_one_rank(config_);
    settle_vocabulary(host, config_, tokenizer_.get(), start_.weights || start_.resumed);
    check_batches();
    if (integer("train.sample_interval") == 0 && config_.find("train.sample_prompt")->from.starts_with("--sample-prompt"))
      fail("--sample-prompt: no text is sampled: --sample-interval N says after how many steps");
  }

  train::Ending run() {
    // Refuse everything that needs no data before the data is read. With epochs, the number of steps is known only afterwards.
    train::Pipeline pipeline = make_pipeline(host_, config_);
    if (request_.graph_only) request_.graph_only->before(pipeline);
    const auto optimizer = choose_optimizer(host_, config_);
    saver_.map(pipeline);
    if (!request_.epochs) check_schedule(optimizer);
    std::vector<runtime::Prepared> graphs{pipeline.training(rows(), length(), optimizer, rows() == integer("train.global_batch_size"))};
    if (request_.graph_only) {
      show(pipeline, std::move(graphs));
      return train::Ending::kDone;
    }
    Trackers trackers(host_, config_);
    const bool samples = read_data();
    if (request_.epochs) {
      settle_epochs(*request_.epochs);
      check_schedule(optimizer);
    }
    add_graphs(pipeline, graphs);
    runtime::Session session(open_device(host_, config_), std::move(graphs));
    banner(session);
    const uint64_t before_arena = resident_bytes("VmRSS:");
    allocate(session, kLessMemory);
    const uint64_t first_step = load(session, pipeline);
    if (samples && start_.weights)
      warn_of_untrained_rows(session, fetch_part(data_, 0), part_rows(0), length(), tokenizer_.get(),
                             [&](const std::string& line) { log_.say(line); });
    // Active until the last line is said: a reader of it may have gone.
    const train::StopSignals signals(train::StopSignals::kAnyEnd);
    take_directory();
    trackers.open(dir_, config_);
    const train::Ending ending = train(session, pipeline, optimizer, trackers, first_step);
    trackers.close();
    log_.say(format("memory: {} at its peak, {} of it before the arena", checkpoint::size_text(resident_bytes("VmHWM:")),
                    checkpoint::size_text(before_arena)));
    if (ending == train::Ending::kTimeUp) log_.say("the time is up: saved; continue with --resume");
    if (ending == train::Ending::kStopped) log_.say("stopped: saved; continue with --resume");
    return ending;
  }

 private:
  int64_t integer(const char* key) const { return config_.integer(key); }
  int64_t rows() const { return integer("train.micro_batch_size"); }
  int64_t length() const { return integer("train.seq_length"); }
  uint64_t part_rows(size_t part) const {
    const DatasetInfo info = data_->info();
    return part < info.parts.size() ? info.parts[part].rows : 0;
  }

  // The folder that contains the tokenizer's files, or "".
  std::string tokenizer_folder() const {
    if (!start_.resumed) return start_.weights ? start_.weights->files_folder() : "";
    const CheckpointFormat format(host_.plugins.load("checkpoint", config_.text("checkpoint.format")), config_.options("checkpoint"));
    const std::string folder = format.open(start_.resumed->path).info().files_folder;
    return folder.empty() ? start_.resumed->path : folder;
  }

  void check_batches() const {
    const int64_t global = integer("train.global_batch_size"), micro = rows();
    if (global % micro != 0)
      fail("train.global_batch_size = {} is not a multiple of train.micro_batch_size = {}: the nearest is {}{}", global, micro,
           std::max(micro, (global + micro / 2) / micro * micro), config_.set_by("train.global_batch_size"));
  }

  void check_schedule(const train::Chosen<OptimizerHandle>& optimizer) const {
    const int64_t iters = integer("train.train_iters");
    optimizer.handle.check(optimizer.options, static_cast<uint64_t>(iters));
    if (iters == 0) fail("train.train_iters = 0: nothing to do{}", config_.set_by("train.train_iters"));
  }

  void show(const train::Pipeline& pipeline, std::vector<runtime::Prepared> graphs) const {
    std::optional<runtime::Session> planned;
    request_.graph_only->after(
        pipeline, [&]() -> const runtime::Session& { return planned.emplace(open_device(host_, config_), std::move(graphs)); });
  }

  // Opens the data and refuses data that cannot be trained on. Returns true if the dataset tells samples apart.
  bool read_data() {
    data_ = open_dataset(host_, config_, tokenizer_.get(), false);
    saver_.set_data(data_->info());
    const bool samples = check_before_training(*data_, host_.say);
    if (part_rows(0) == 0)
      fail(
          "data.split = \"{}\": no sequences are left to train on: expected a first share above 0, as in 98,1,1, and data for one sequence "
          "at "
          "least{}",
          config_.text("data.split"), config_.set_by("data.split"));
    return samples;
  }

  // Counts rows as a step reads them: packed rows if samples are packed.
  void settle_epochs(double epochs) {
    const int64_t batch = integer("train.global_batch_size");
    const auto steps = static_cast<int64_t>(std::ceil(epochs * static_cast<double>(part_rows(0)) / static_cast<double>(batch)));
    config_.set("train.train_iters", steps, "--epochs");
    host_.say(format("{} epochs of {} sequences, {} a step: {} steps", epochs, static_cast<double>(part_rows(0)), batch, steps));
  }

  // Adds the graphs that the run computes beside a step.
  void add_graphs(const train::Pipeline& pipeline, std::vector<runtime::Prepared>& graphs) {
    evaluates_ = integer("train.eval_interval") > 0 && part_rows(1) > 0;
    if (evaluates_) graphs.push_back(pipeline.evaluation(rows(), length()));
    for (runtime::Prepared& p : graphs) p.graph = passes::tell_texts(std::move(p.graph), data_->info().texts);
    if (integer("train.sample_interval") > 0) sample_.emplace(config_, tokenizer_).add_graphs(pipeline, graphs);
    if (pipeline.has_peft()) graphs.push_back(pipeline.initialization());
  }

  // Creates the directory, so late that a run which cannot be trained leaves none.
  void take_directory() {
    const std::string checkpoints = checkpoints_of(config_, dir_);
    std::error_code error;
    for (const std::string& folder : {dir_, config_.text("checkpoint.dir")}) {
      if (!folder.empty()) fs::create_directories(folder, error);
      if (error) fail_environment("cannot make {}: {}", folder, error.message());
    }
    lock_directories(host_, config_, dir_, start_.locks);
    // Another run may have begun here while this one read its data.
    if (!start_.resumed) require_no_run(config_, dir_);
    checkpoint::replace_synced(dir_ + "/config.textproto", config_.to_textproto());
    log_.open(dir_ + "/log.txt");
    checkpoint::remove_leftovers(checkpoints, [&](const std::string& line) { log_.say(line); });
  }

  void banner(const runtime::Session& session) {
    const int64_t batch = integer("train.global_batch_size");
    log_.say(format("{}: {} sequences x {} = {} tokens a step, {} steps, {} on {}", dir_, batch, length(), batch * length(),
                    integer("train.train_iters"), config_.text("precision.plugin"), config_.text("device.plugin")));
    std::string classes;
    for (const auto& c : session.plan().classes) classes += (classes.empty() ? "" : ", ") + c.name + " " + checkpoint::size_text(c.bytes);
    log_.say(format("memory: {} ({})", checkpoint::size_text(session.plan().total), classes));
    int64_t trained = 0, all = 0;
    const Graph& g = session.graph("train");
    for (const State& s : g.states) {
      if (s.kind != StateKind::PARAMETER) continue;
      all += elements(g.tensors[s.tensor].shape);
      if (s.trained) trained += elements(g.tensors[s.tensor].shape);
    }
    if (trained < all) log_.say(format("{} of {} parameters are trained", trained, all));
  }

  // Fills the session. Returns the number of finished steps.
  uint64_t load(runtime::Session& session, const train::Pipeline& pipeline) {
    if (start_.resumed) return load_resumed(session, pipeline);
    const auto seed = static_cast<uint64_t>(integer("train.seed"));
    if (!start_.weights) {
      runtime::initialize_parameters(session, seed);
      return 0;
    }
    const ModelSource& weights = *start_.weights;
    load_parameters(weights, pipeline, session);
    saver_.remember(weights);
    if (start_.with_state) {
      check_method(weights, weights.path, pipeline);
      const uint64_t steps = go_on(weights, weights.path, pipeline, session);
      if (steps >= static_cast<uint64_t>(integer("train.train_iters")))
        fail("train.train_iters = {} includes the {} steps that {} has done: set --train-iters above them{}", integer("train.train_iters"),
             steps, weights.path, config_.set_by("train.train_iters"));
      return steps;
    }
    if (pipeline.has_peft() && !weights.adapter) add_parameters(session, pipeline, seed);
    return 0;
  }

  uint64_t load_resumed(runtime::Session& session, const train::Pipeline& pipeline) {
    const ModelSource source = open_model_folder(host_, {.path = start_.resumed->path,
                                                         .model = pipeline.model().handle.plugin().descriptor().name,
                                                         .described_by = request_.weights.described_by,
                                                         .base = config_.text("checkpoint.pretrained"),
                                                         .peft = config_.text("peft.plugin")});
    check_method(source, start_.resumed->path, pipeline);
    load_parameters(source, pipeline, session);
    saver_.remember(source);
    const uint64_t steps = go_on(source, start_.resumed->path, pipeline, session);
    if (const auto wanted = static_cast<uint64_t>(integer("train.train_iters")); steps >= wanted)
      log_.say(format("all of its {} steps are done: --train-iters with a larger number continues", wanted));
    return steps;
  }

  void check_method(const ModelSource& source, const std::string& path, const train::Pipeline& pipeline) const {
    if (source.adapter.has_value() != pipeline.has_peft())
      fail("{} contains {}, but peft.plugin = \"{}\": a run keeps its method{}", path, source.adapter ? "an adapter" : "a whole model",
           config_.text("peft.plugin"), config_.set_by("peft.plugin"));
  }

  // Reads the optimizer state of a checkpoint into a session that has its weights. Returns the number of finished steps.
  uint64_t go_on(const ModelSource& source, const std::string& path, const train::Pipeline& pipeline, runtime::Session& session) {
    const TakenState taken = load_state(host_, source, pipeline, session);
    std::string roles;
    for (const std::string& role : taken.roles) roles += (roles.empty() ? ", with the optimizer's " : ", ") + role;
    log_.say(format("continuing from {} after {} steps{}", path, taken.step, roles));
    const auto batch = static_cast<uint64_t>(integer("train.global_batch_size"));
    if (!taken.rows)
      log_.say(format("it read data in an order of its own: the first {} sequences of this run's order are skipped", taken.step * batch));
    else if (*taken.rows != taken.step * batch)
      fail("train.global_batch_size = {}: the run had read {} sequences in {} steps, and the batch size cannot change{}", batch,
           *taken.rows, taken.step, config_.set_by("train.global_batch_size"));
    return taken.step;
  }

  // Initializes the parameters that a method adds to the model.
  void add_parameters(runtime::Session& session, const train::Pipeline& pipeline, uint64_t seed) const {
    const std::string dialect = dialect_of(config_);
    auto added = checkpoint::parameters_in(pipeline.adapter_map(dialect));
    for (const std::string& name : checkpoint::parameters_in(pipeline.model().handle.weight_map(pipeline.model().options, dialect)))
      added.erase(name);
    runtime::initialize_parameters(session, seed, &added);
    session.run(session.program("initialization", [](const Node&) { return true; }));
  }

  train::Ending train(runtime::Session& session, const train::Pipeline& pipeline, const train::Chosen<OptimizerHandle>& optimizer,
                      const Trackers& trackers, uint64_t first_step) {
    train::Step step(session, "train", static_cast<uint64_t>(integer("train.seed")));
    train::Step evaluation(session, evaluates_ ? "evaluation" : "train", 0);
    train::MetricsFile metrics(dir_ + "/metrics.jsonl", first_step);
    if (sample_) sample_->open(session);
    train::LoopHooks hooks;
    hooks.say = [&](std::string_view line) { log_.say(std::string(line)); };
    hooks.live = host_.live;
    hooks.save = [&](uint64_t finished) { saver_.save(session, pipeline, finished, log_); };
    hooks.track = [&](uint64_t s, const train::StepResult& r, double lr, double speed) {
      trackers.track(s, {{"loss", r.loss()}, {"lr", lr}, {"grad_norm", r.grad_norm}, {"tokens_per_second", speed}});
    };
    hooks.track_eval = [&](uint64_t s, double loss) { trackers.track(s, {{"eval_loss", loss}}); };
    hooks.sample = [&](uint64_t finished) { log_.say(format("step {}  sample: {}", finished, sample_->write())); };
    train::Loop loop(step, evaluation, fetch_part(data_, 0), evaluates_ ? fetch_part(data_, 1) : train::Fetch(),
                     train::StepValueTable(optimizer, static_cast<uint64_t>(integer("train.train_iters"))), metrics, settings(first_step),
                     std::move(hooks));
    return loop.run();
  }

  train::LoopSettings settings(uint64_t first_step) const {
    const auto get = [&](const char* key) { return static_cast<uint64_t>(config_.integer(key)); };
    train::LoopSettings s;
    s.first_step = first_step;
    s.train_iters = get("train.train_iters");
    s.global_batch_size = config_.integer("train.global_batch_size");
    s.log_interval = get("train.log_interval");
    s.eval_interval = get("train.eval_interval");
    s.eval_iters = get("train.eval_iters");
    s.save_interval = get("train.save_interval");
    s.sample_interval = get("train.sample_interval");
    s.minutes = config_.number("train.exit_duration_in_mins");
    s.terminal = static_cast<bool>(host_.live);
    return s;
  }

  const Host& host_;
  const TrainingRequest& request_;
  RunStart& start_;
  config::RunConfig& config_;
  std::string dir_;
  std::shared_ptr<const TokenizerHandle> tokenizer_;
  std::shared_ptr<const DatasetHandle> data_;  // null if only a graph is shown
  bool evaluates_ = false;
  std::optional<TrainingSample> sample_;
  RunSaver saver_;
  RunLog log_;
};

}  // namespace

train::Ending train(const Host& host, const TrainingRequest& request) {
  RunStart start = find_start(host, request);
  return naming_who_set_it(start.config, [&] { return Training(host, request, start).run(); });
}

}  // namespace corral::job
