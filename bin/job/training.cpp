#include "bin/job/training.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "bin/job/configuration.h"
#include "bin/job/job.h"
#include "bin/job/load_plugin.h"
#include "bin/job/model_files.h"
#include "bin/job/preflight.h"
#include "bin/job/resident_memory.h"
#include "bin/job/run_directory.h"
#include "bin/job/trackers.h"
#include "bin/job/training_sample.h"
#include "bin/job/training_state.h"
#include "bin/job/untrained_rows.h"
#include "bin/terminal/graph_dump.h"
#include "corral/error.h"
#include "kernel/checkpoint/files.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/store.h"
#include "kernel/checkpoint/weight_map.h"
#include "kernel/runtime/initialize.h"
#include "kernel/train/loop.h"
#include "kernel/train/session_tensors.h"
#include "kernel/train/stop.h"

namespace corral::cli {
namespace {
namespace fs = std::filesystem;

std::string checkpoints_of(const config::RunConfig& config, const std::string& dir) {
  const std::string& own = config.text("checkpoint.dir");
  return own.empty() ? dir + "/checkpoints" : own;
}

// Where a checkpoint of this run has its tokenizer.
std::string files_folder(const Arguments& arguments, const config::RunConfig& config, const std::string& path) {
  const CheckpointFormat format(load_plugin(arguments, "checkpoint", config.text("checkpoint.format")), config.options("checkpoint"));
  const std::string folder = format.open(path).info().files_folder;
  return folder.empty() ? path : folder;
}

class Training {
 public:
  Training(const Arguments& arguments, config::RunConfig config, std::optional<ModelSource> pretrained,
           std::optional<checkpoint::Found> resumed, bool goes_on = false)
      : arguments_(arguments),
        config_(std::move(config)),
        pretrained_(std::move(pretrained)),
        resumed_(std::move(resumed)),
        goes_on_(goes_on),
        dir_(run_directory(config_)),
        tokenizer_(open_tokenizer(arguments, config_,
                                  resumed_      ? files_folder(arguments, config_, resumed_->path)
                                  : pretrained_ ? pretrained_->files_folder()
                                                : "")) {
    take_one_rank(config_);
    settle_vocabulary(config_, tokenizer_.get(), pretrained_ || resumed_);
    if (pretrained_) origin_ = pretrained_->info;
    check_batches();
    if (arguments.has("sample-prompt") && config_.integer("train.sample_interval") == 0)
      fail("--sample-prompt: no text is sampled: --sample-interval N says after how many steps");
  }

  int run() {
    // All that needs no data is refused before the data is read; epochs give the number of steps only afterwards.
    const train::Pipeline pipeline = make_pipeline(arguments_, config_);
    const auto optimizer = choose_optimizer(arguments_, config_);
    written_map(pipeline);
    const double epochs = wanted_epochs();
    if (epochs == 0) check_schedule(optimizer);
    const int64_t rows = config_.integer("train.micro_batch_size"), length = config_.integer("train.seq_length");
    std::vector<Graph> graphs{pipeline.training(rows, length, optimizer, rows == config_.integer("train.global_batch_size"))};
    std::optional<runtime::Session> planned;
    if (ends_with_graph(arguments_, pipeline,
                        [&]() -> const runtime::Session& { return planned.emplace(open_device(arguments_, config_), std::move(graphs)); }))
      return 0;
    Trackers trackers(arguments_, config_);
    data_ = open_dataset(arguments_, config_, tokenizer_.get(), false);
    const bool samples = check_before_training(*data_, [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); });
    if (part_rows(*data_, 0) == 0)
      fail(
          "data.split = \"{}\": no rows are left to train on: expected a first share above 0, as in 98,1,1, and data for one row at "
          "least{}",
          config_.text("data.split"), config_.set_by("data.split"));
    if (epochs > 0) {
      settle_epochs(epochs);
      check_schedule(optimizer);
    }
    const bool evaluates = config_.integer("train.eval_interval") > 0 && part_rows(*data_, 1) > 0;
    if (evaluates) graphs.push_back(pipeline.evaluation(rows, length));
    std::optional<TrainingSample> sample;
    if (config_.integer("train.sample_interval") > 0) sample.emplace(config_, tokenizer_).add_graphs(pipeline, graphs);
    if (pipeline.has_peft()) graphs.push_back(pipeline.initialization());
    runtime::Session session(open_device(arguments_, config_), std::move(graphs));

    RunLog log;
    banner(log, session);
    const uint64_t before_arena = resident_bytes("VmRSS:");
    allocate(session,
             "less take: a smaller train.micro_batch_size or train.seq_length, recompute.granularity=full, --precision bf16, or a smaller "
             "model");
    const uint64_t first_step = load(session, pipeline, log);
    if (const auto steps = static_cast<uint64_t>(config_.integer("train.train_iters")); resumed_ && first_step >= steps)
      log.say(format("all of its {} steps are done: --train-iters with a larger number goes on", steps));
    if (samples && pretrained_)
      warn_of_untrained_rows(session, fetch_part(data_, 0), part_rows(*data_, 0), length, tokenizer_.get(),
                             [&](const std::string& line) { log.say(line); });
    // Until the last line is said: a reader of it may be gone.
    const train::StopSignals signals(train::StopSignals::kAnyEnd);
    // Only what can be trained leaves a directory behind.
    make_directory();
    log.open(dir_ + "/log.txt");
    checkpoint::remove_leftovers(checkpoints(), [&](const std::string& line) { log.say(line); });

    train::Step step(session, 0, static_cast<uint64_t>(config_.integer("train.seed")));
    train::Step evaluation(session, evaluates ? 1 : 0, 0);
    train::MetricsFile metrics(dir_ + "/metrics.jsonl", first_step);
    trackers.open(dir_, config_);
    train::LoopHooks hooks;
    hooks.say = [&](std::string_view line) { log.say(line); };
    hooks.live = [&](std::string_view line) { log.live(line); };
    hooks.save = [&](uint64_t finished) { save(session, pipeline, finished, log); };
    hooks.track = [&](uint64_t s, const train::StepResult& r, double lr, double speed) {
      trackers.track(s, {{"loss", r.loss()}, {"lr", lr}, {"grad_norm", r.grad_norm}, {"tokens_per_second", speed}});
    };
    hooks.track_eval = [&](uint64_t s, double loss) { trackers.track(s, {{"eval_loss", loss}}); };
    if (sample) sample->open(session);
    hooks.sample = [&](uint64_t finished) { log.say(format("step {}  sample: {}", finished, sample->write())); };
    train::Loop loop(step, evaluation, fetch_part(data_, 0), evaluates ? fetch_part(data_, 1) : train::Fetch(),
                     train::StepValueTable(optimizer, static_cast<uint64_t>(config_.integer("train.train_iters"))), metrics,
                     settings(first_step), std::move(hooks));
    const train::Ending ending = loop.run();
    trackers.close();
    log.say(format("memory: {} at its peak, {} of it before the arena", checkpoint::size_text(resident_bytes("VmHWM:")),
                   checkpoint::size_text(before_arena)));
    if (ending == train::Ending::kTimeUp) log.say("the time is up: saved; go on with --resume");
    if (ending == train::Ending::kStopped) {
      log.say("stopped: saved; go on with --resume");
      return 130;
    }
    return 0;
  }

 private:
  std::string checkpoints() const { return checkpoints_of(config_, dir_); }

  // How what is saved is made of parameters. Throws where the model or the method has no such dialect.
  WeightMap written_map(const train::Pipeline& pipeline) const {
    const std::string dialect = dialect_of(config_);
    return pipeline.has_peft() ? pipeline.adapter_map(dialect) : pipeline.model().handle.weight_map(pipeline.model().options, dialect);
  }

  static uint64_t part_rows(const DatasetHandle& data, size_t part) {
    const DatasetInfo info = data.info();
    return part < info.parts.size() ? info.parts[part].rows : 0;
  }

  void check_batches() const {
    const int64_t global = config_.integer("train.global_batch_size"), micro = config_.integer("train.micro_batch_size");
    if (global % micro != 0)
      fail("train.global_batch_size = {} is no multiple of train.micro_batch_size = {}: the nearest is {}{}", global, micro,
           std::max(micro, (global + micro / 2) / micro * micro), config_.set_by("train.global_batch_size"));
  }

  void check_schedule(const train::Chosen<OptimizerHandle>& optimizer) const {
    const int64_t iters = config_.integer("train.train_iters");
    optimizer.handle.check(optimizer.options, static_cast<uint64_t>(iters));
    if (iters == 0) fail("train.train_iters = 0: nothing to do{}", config_.set_by("train.train_iters"));
  }

  // Of --epochs; 0 where the number of steps is given.
  double wanted_epochs() const {
    if (!arguments_.has("epochs")) return 0;
    const double epochs = arguments_.number("epochs", 1);
    if (!(epochs > 0 && epochs < 1e9)) fail("--epochs = {}: needs a number above 0", epochs);
    if (arguments_.has("train-iters")) fail("--epochs and --train-iters both say how long to train: give one of them");
    return epochs;
  }

  // Counts rows as a step takes them: packed ones where samples are packed.
  void settle_epochs(double epochs) {
    const auto rows = static_cast<double>(part_rows(*data_, 0));
    const int64_t batch = config_.integer("train.global_batch_size");
    config_.set("train.train_iters", static_cast<int64_t>(std::ceil(epochs * rows / static_cast<double>(batch))), "--epochs");
    std::fprintf(stderr, "%s\n",
                 format("{} epochs of {} rows, {} a step: {} steps", epochs, rows, batch, config_.integer("train.train_iters")).c_str());
  }

  void make_directory() {
    std::error_code error;
    fs::create_directories(dir_, error);
    if (error) fail_environment("cannot make {}: {}", dir_, error.message());
    checkpoint::replace_synced(dir_ + "/config.textproto", config_.to_textproto());
  }

  void banner(RunLog& log, const runtime::Session& session) const {
    const int64_t rows = config_.integer("train.global_batch_size"), length = config_.integer("train.seq_length");
    log.say(format("{}: {} sequences x {} = {} tokens a step, {} steps, {} on {}", dir_, rows, length, rows * length,
                   config_.integer("train.train_iters"), config_.text("precision.plugin"), config_.text("device.plugin")));
    std::string classes;
    for (const auto& c : session.plan().classes) classes += (classes.empty() ? "" : ", ") + c.name + " " + checkpoint::size_text(c.bytes);
    log.say(format("memory: {} ({})", checkpoint::size_text(session.plan().total), classes));
    int64_t trained = 0, all = 0;
    for (const State& s : session.graph(0).states) {
      if (s.kind != StateKind::PARAMETER) continue;
      all += elements(session.graph(0).tensors[s.tensor].shape);
      if (s.trained) trained += elements(session.graph(0).tensors[s.tensor].shape);
    }
    if (trained < all) log.say(format("{} of {} parameters are trained", trained, all));
  }

  uint64_t load(runtime::Session& session, const train::Pipeline& pipeline, RunLog& log) {
    if (resumed_) {
      const ModelSource source = open_model_folder(arguments_, resumed_->path, pipeline.model().handle.plugin().descriptor().name,
                                                   config_.text("checkpoint.pretrained"), config_.plugin("peft"));
      check_method(source, resumed_->path, pipeline);
      load_parameters(source, pipeline, session);
      remember(source);
      return go_on(source, resumed_->path, pipeline, session, log);
    }
    const auto seed = static_cast<uint64_t>(config_.integer("train.seed"));
    if (!pretrained_) {
      runtime::initialize_parameters(session, seed);
      return 0;
    }
    load_parameters(*pretrained_, pipeline, session);
    remember(*pretrained_);
    if (goes_on_) {
      check_method(*pretrained_, pretrained_->path, pipeline);
      const uint64_t steps = go_on(*pretrained_, pretrained_->path, pipeline, session, log);
      if (steps >= static_cast<uint64_t>(config_.integer("train.train_iters")))
        fail("train.train_iters = {} counts the {} steps too that are behind {}: set --train-iters above them{}",
             config_.integer("train.train_iters"), steps, pretrained_->path, config_.set_by("train.train_iters"));
      return steps;
    }
    if (pipeline.has_peft() && !pretrained_->adapter) add_parameters(session, pipeline, seed);
    return 0;
  }

  void check_method(const ModelSource& source, const std::string& path, const train::Pipeline& pipeline) const {
    if (source.adapter.has_value() != pipeline.has_peft())
      fail("{} holds {}, but peft.plugin = \"{}\": a run keeps its method{}", path, source.adapter ? "an adapter" : "a whole model",
           config_.text("peft.plugin"), config_.set_by("peft.plugin"));
  }

  // The steps behind a checkpoint, whose optimizer's state goes into the session beside its weights.
  uint64_t go_on(const ModelSource& source, const std::string& path, const train::Pipeline& pipeline, runtime::Session& session,
                 RunLog& log) const {
    const TakenState taken = load_state(arguments_, source, pipeline, session);
    std::string roles;
    for (const std::string& role : taken.roles) roles += (roles.empty() ? ", with the optimizer's " : ", ") + role;
    log.say(format("going on from {} after {} steps{}", path, taken.step, roles));
    const auto rows = static_cast<uint64_t>(config_.integer("train.global_batch_size"));
    if (!taken.rows)
      log.say(format("its order of rows was its own: the first {} of this run's are passed over", taken.step * rows));
    else if (*taken.rows != taken.step * rows)
      fail("train.global_batch_size = {}: the run had taken {} rows in {} steps, and its size cannot change{}", rows, *taken.rows,
           taken.step, config_.set_by("train.global_batch_size"));
    return taken.step;
  }

  // What a method adds to the model, before its first step.
  void add_parameters(runtime::Session& session, const train::Pipeline& pipeline, uint64_t seed) const {
    const std::string dialect = dialect_of(config_);
    auto added = checkpoint::parameters_in(pipeline.adapter_map(dialect));
    for (const std::string& name : checkpoint::parameters_in(pipeline.model().handle.weight_map(pipeline.model().options, dialect)))
      added.erase(name);
    runtime::initialize_parameters(session, seed, &added);
    session.run(session.program(session.graphs() - 1, [](const Node&) { return true; }));
  }

  // The model's files, and what tells it from others.
  void remember(const ModelSource& source) {
    origin_ = source.info;
    if (config_.plugin("peft").empty()) return;
    base_ = fs::absolute(source.path).lexically_normal().string();
    fingerprint_ = fingerprint_of(arguments_, source);
  }

  void save(runtime::Session& session, const train::Pipeline& pipeline, uint64_t finished, RunLog& log) {
    const CheckpointFormat format_plugin(load_plugin(arguments_, "checkpoint", config_.text("checkpoint.format")),
                                         config_.options("checkpoint"));
    const std::string dialect = dialect_of(config_);
    checkpoint::SaveOptions options;
    options.keep = static_cast<uint64_t>(config_.integer("checkpoint.keep"));
    options.say = [&](const std::string& line) { log.say(line); };
    const std::string path = checkpoint::save_checkpoint(
        checkpoints(), finished,
        [&](const std::string& folder) {
          const bool adapter = pipeline.has_peft();
          const WeightMap map = written_map(pipeline);
          train::SessionTensors parameters = train::parameters_of(session, checkpoint::parameters_in(map));
          CheckpointWriteRequest request;
          if (adapter) {
            request.kind = "adapter";
            request.config = pipeline.adapter_config(dialect, base_);
            request.files = adapter_files(fingerprint_, origin_, tokenizer_.get(), data_->info());
            request.others = {model_config(dialect, pipeline.model(), origin_)};
          } else {
            const DType dtype = parameters.tensors().at(0).dtype;
            request = model_request(config_, pipeline, dtype, origin_, tokenizer_.get(), data_->info());
          }
          const Progress progress{finished, finished * static_cast<uint64_t>(config_.integer("train.global_batch_size"))};
          request.dialect = dialect;
          request.iteration = progress.step;
          request.consumed_samples = progress.rows;
          request.optimizer = optimizer_settings(config_);
          save_with_state(format_plugin, folder, map, parameters, session, std::move(request), progress);
        },
        options);
    log.say("saved " + path);
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
    s.terminal = isatty(STDERR_FILENO) != 0;
    return s;
  }

  const Arguments& arguments_;
  config::RunConfig config_;
  std::optional<ModelSource> pretrained_;
  std::optional<checkpoint::Found> resumed_;
  bool goes_on_;                          // from what `pretrained_` holds of a run, in a new one
  std::optional<CheckpointInfo> origin_;  // of the weights that the run began from, or went on from
  std::string base_, fingerprint_;        // of the model that an adapter is trained for
  std::string dir_;
  std::shared_ptr<const TokenizerHandle> tokenizer_;
  std::shared_ptr<const DatasetHandle> data_;  // null where only a graph is printed
};

std::optional<checkpoint::Found> find_resumed(const std::string& dir, const std::string& checkpoints, bool resume) {
  const fs::path marker = fs::path(dir) / "config.textproto";
  std::error_code error;
  const std::vector<checkpoint::Found> there = checkpoint::list_checkpoints(checkpoints);
  if (!there.empty() && !fs::exists(there.front().path + "/state", error))
    fail("{} holds a model without a training state: begin from it with --pretrained-checkpoint {}, and name another --dir", dir, dir);
  if (!resume) {
    if (fs::exists(marker, error) || !there.empty()) fail("{} holds a run already: go on with --resume, or name another --dir", dir);
    return std::nullopt;
  }
  if (!fs::exists(marker, error)) fail("--resume: {} holds no run", dir);
  const auto found = checkpoint::newest_verified(checkpoints, [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); });
  if (!found) fail("--resume: {} has no whole checkpoint: begin anew in another --dir", dir);
  return found;
}

int train(const Arguments& arguments, const config::RunConfig& config, std::optional<ModelSource> pretrained,
          std::optional<checkpoint::Found> resumed, bool goes_on = false) {
  return naming_who_set_it(config, [&] { return Training(arguments, config, std::move(pretrained), std::move(resumed), goes_on).run(); });
}

}  // namespace

int train_command(const Arguments& arguments, const std::string& mode) {
  config::Sources from = sources(arguments);
  // The model that a flag names says which options of model.* there are.
  std::optional<ModelSource> source;
  const auto open = [&](const std::string& path, bool with_state) {
    source = open_model(arguments, {path, "", with_state});
    if (!with_state && !source->adapter && !source->info.optimizer_steps.empty())
      std::fprintf(stderr, "%s\n",
                   format("--load {} goes on after its {} steps, with the optimizer's state", path, source->info.optimizer_steps).c_str());
    if (mode == "pretrain" && source->adapter) fail("{} is an adapter: merge it into its model first, or use `corral finetune`", path);
  };
  for (const config::Assignment& a : from.flags) {
    const bool load = a.key == "checkpoint.load";
    if ((a.key != "checkpoint.pretrained" && !load) || a.literals.empty() || arguments.has("resume")) continue;
    if (source) fail("--load goes on from a run, --pretrained-checkpoint begins one: give one of them");
    open(a.literals[0].text, load);
  }
  config::RunConfig config = source ? configure_for(arguments, from, *source) : resolve(from, arguments);
  if (mode == "pretrain" && !config.plugin("peft").empty())
    fail("peft.plugin = \"{}\": pretraining trains all weights; use `corral finetune`{}", config.plugin("peft"),
         config.set_by("peft.plugin"));
  const std::string dir = run_directory(config);
  std::error_code error;
  if (fs::exists(dir, error) && !fs::is_directory(dir, error))
    fail("run.dir = \"{}\": that is a file: name a folder{}", dir, config.set_by("run.dir"));
  const bool dumps = arguments.has("dump-graph");
  const auto resumed = dumps ? std::nullopt : find_resumed(dir, checkpoints_of(config, dir), arguments.has("resume"));
  if (resumed) {
    from.resolved = dir + "/config.textproto";
    from.recipe.clear();
    return train(arguments, resolve(from, arguments), std::nullopt, resumed);
  }
  const std::string load = config.text("checkpoint.load");
  if (const std::string path = load.empty() ? config.text("checkpoint.pretrained") : load; !path.empty()) {
    if (!source) {
      open(path, !load.empty());
      config = configure_for(arguments, from, *source);
    }
    if (source->adapter) config.set("checkpoint.pretrained", source->path, "adapter " + source->adapter->path);
    return train(arguments, std::move(config), std::move(source), std::nullopt, !load.empty());
  }
  if (mode == "finetune" && !dumps) fail("finetune needs weights to begin from: --pretrained-checkpoint HF_FOLDER or RUN");
  if (config.plugin("model").empty())
    fail("{} needs a model: --recipe NAME (`corral recipes` lists them), or --model llama32/1b, for one", mode);
  return train(arguments, std::move(config), std::nullopt, std::nullopt);
}

}  // namespace corral::cli
