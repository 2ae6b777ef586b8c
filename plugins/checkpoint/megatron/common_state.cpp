#include "plugins/checkpoint/megatron/common_state.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "corral/error.h"
#include "plugins/checkpoint/megatron/pickle_writer.h"
#include "plugins/checkpoint/megatron/torch_tensor.h"
#include "plugins/checkpoint/megatron/zip.h"

namespace corral::megatron {
namespace {

// A complete archive with the records data.pkl, data/0, data/1 ...
std::string archive(const std::string& pickle, const std::vector<std::string>& storages) {
  std::vector<std::pair<std::string, std::string>> records = {{"data.pkl", pickle}, {"byteorder", "little"}};
  for (size_t i = 0; i < storages.size(); ++i) records.emplace_back("data/" + std::to_string(i), storages[i]);
  records.emplace_back("version", "3\n");
  return archive_of(records);
}

template <class T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// A numeric setting, or `otherwise` if it is missing.
double number(const nlohmann::json& settings, const char* key, double otherwise) {
  return settings.contains(key) && settings[key].is_number() ? settings[key].get<double>() : otherwise;
}

// The scalar state that Megatron's optimizer loads. It has two parameter groups: matrices decay (wd_mult 1), vectors do not.
void put_optimizer(PickleWriter& p, const CommonState& state, const nlohmann::json& settings) {
  p.text("optimizer").dict().text("optimizer").dict().text("param_groups").list();
  for (const double decays : {1.0, 0.0}) {
    p.dict();
    for (const auto& [key, value] : {std::pair{"lr", number(settings, "lr", 0)},
                                     {"max_lr", number(settings, "lr", 0)},
                                     {"min_lr", number(settings, "min_lr", 0)},
                                     {"weight_decay", number(settings, "weight_decay", 0)},
                                     {"eps", number(settings, "adam_eps", 1e-8)},
                                     {"wd_mult", decays},
                                     {"lr_mult", 1.0}})
      p.text(key).number(value);
    p.text("betas").mark().number(number(settings, "adam_beta1", 0.9)).number(number(settings, "adam_beta2", 0.999)).tuple();
    for (const auto& [key, value] :
         {std::pair{"bias_correction", true}, {"is_expert_parallel", false}, {"is_decoupled_lr", false}, {"default_config", true}})
      p.text(key).boolean(value);
    p.text("step").integer(static_cast<int64_t>(state.iteration)).end_dict();
  }
  p.end_list().end_dict().text("param_state_sharding_type").text("fully_reshardable").end_dict();
}

// Megatron's schedule counts samples, not steps.
void put_schedule(PickleWriter& p, const CommonState& state, const nlohmann::json& settings) {
  const double rows = state.iteration ? static_cast<double>(state.consumed_samples) / static_cast<double>(state.iteration) : 0;
  const double last =
      number(settings, "lr_decay_iters", 0) > 0 ? number(settings, "lr_decay_iters", 0) : number(settings, "train_iters", 0);
  const auto samples = [&](double steps) { return static_cast<int64_t>(steps * rows); };
  p.text("opt_param_scheduler").dict();
  for (const auto& [key, value] : {std::pair{"max_lr", number(settings, "lr", 0)},
                                   {"min_lr", number(settings, "min_lr", 0)},
                                   {"start_wd", number(settings, "weight_decay", 0)},
                                   {"end_wd", number(settings, "weight_decay", 0)}})
    p.text(key).number(value);
  for (const auto& [key, value] : {std::pair{"num_steps", static_cast<int64_t>(state.consumed_samples)},
                                   {"lr_warmup_steps", samples(number(settings, "lr_warmup_iters", 0))},
                                   {"lr_decay_steps", samples(last)},
                                   {"wd_incr_steps", samples(number(settings, "train_iters", 0))}})
    p.text(key).integer(value);
  p.text("lr_decay_style").text(settings.value("lr_decay_style", "constant")).text("wd_incr_style").text("constant").end_dict();
}

}  // namespace

bool allowed_in_common_state(std::string_view module, std::string_view name) {
  const auto below = [&](std::string_view package) {
    return module == package || (module.starts_with(package) && module[package.size()] == '.');
  };
  return allowed_in_torch_save(module, name) || below("megatron") || below("numpy") || (module == "argparse" && name == "Namespace") ||
         (module == "_codecs" && name == "encode") || module == "signal" || (module == "pathlib" && name == "PosixPath");
}

const Node& common_state(const Pickle& pickle) {
  const Node& root = pickle.root();
  return root.kind == Kind::kList && root.items.size() == 1 ? pickle.at(root.items[0]) : root;
}

std::string common_state_pickle(const CommonState& state, bool in_list) {
  const bool optimizer = !state.optimizer.empty();
  PickleWriter p;
  if (in_list) p.list();
  p.dict().text("checkpoint_version").number(3.0).text("iteration").integer(static_cast<int64_t>(state.iteration));
  if (optimizer) {
    const nlohmann::json settings = nlohmann::json::parse(state.optimizer, nullptr, false);
    if (!settings.is_object()) fail_bug("the settings of an optimizer are not a JSON object");
    put_optimizer(p, state, settings);
    put_schedule(p, state, settings);
  }
  // One key for all layers, with an axis for the layer number: the form that a loading program asks for by default.
  p.text("content_metadata").dict().text("singleton_local_shards").boolean(false).text("chained_optim_avoid_prefix").boolean(true);
  if (optimizer) p.text("distrib_optim_sharding_type").text("fully_reshardable");
  p.end_dict().end_dict();
  if (in_list) p.end_list();
  return std::move(p).finish();
}

std::string common_pt(const CommonState& state) { return archive(common_state_pickle(state, false), {}); }

std::string train_state_pt(uint64_t iteration, uint64_t consumed_samples) {
  const TorchType &whole = *torch_type("int64"), &real = *torch_type("float32"), &flag = *torch_type("bool");
  const struct {
    const char* name;
    const TorchType& type;
    std::string bytes;
  } values[] = {{"step", whole, bytes_of(iteration)},
                {"consumed_train_samples", whole, bytes_of(consumed_samples)},
                {"skipped_train_samples", whole, bytes_of(uint64_t{0})},
                {"consumed_valid_samples", whole, bytes_of(uint64_t{0})},
                {"floating_point_operations_so_far", real, bytes_of(0.0f)},
                {"do_train", flag, bytes_of(true)},
                {"do_valid", flag, bytes_of(true)},
                {"do_test", flag, bytes_of(false)}};
  PickleWriter p;
  std::vector<std::string> storages;
  p.dict();
  for (const auto& v : values) {
    p.text(v.name);
    put_tensor(p, v.type, {}, std::to_string(storages.size()));
    storages.push_back(v.bytes);
  }
  p.end_dict();
  return archive(std::move(p).finish(), storages);
}

}  // namespace corral::megatron
