#include "plugins/checkpoint/megatron/optimizer_state.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "corral/error.h"
#include "plugins/checkpoint/megatron/common_state.h"
#include "plugins/checkpoint/megatron/pickle.h"

namespace corral::megatron {
namespace {
constexpr std::string_view kState = "optimizer.state.", kChained = "chained_", kReshardable = "fully_reshardable";
constexpr double kLargestCount = 9007199254740992.0;  // 2^53

// Megatron's names of the fp32 copy: with the distributed optimizer, and without it.
constexpr std::string_view kMasterNames[] = {"param", "fp32_param"};

// Removes chained_0. from the name of a tensor of one of several optimizers.
std::string_view unchained(std::string_view name) {
  if (!name.starts_with(kChained)) return name;
  const size_t dot = name.find('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

class Common {
 public:
  Common(std::string_view bytes, const std::string& where) : pickle_(bytes, allowed_in_common_state, where) {
    const Node& state = common_state(pickle_);
    iteration_ = count_of(pickle_.find(state, "iteration"));
    if (const Node* metadata = pickle_.find(state, "content_metadata")) take_form(pickle_.find(*metadata, "distrib_optim_sharding_type"));
    const Node* optimizer = pickle_.find(state, "optimizer");
    if (!optimizer) return;
    take_form(pickle_.find(*optimizer, "param_state_sharding_type"));
    // A mixed-precision optimizer contains the optimizer that it wraps.
    if (const Node* inner = pickle_.find(*optimizer, "optimizer")) optimizer = inner;
    const Node* groups = pickle_.find(*optimizer, "param_groups");
    if (!groups || (groups->kind != Kind::kList && groups->kind != Kind::kTuple)) return;
    for (const Id id : groups->items) {
      const Node* step = pickle_.find(pickle_.at(id), "step");
      if (!step || step->kind == Kind::kNone) continue;
      const std::optional<uint64_t> count = count_of(step);
      if (!count) fail("{}: the step of a group of parameters is not a number of updates", where);
      if (steps_ && *steps_ != *count) fail("{}: a group of parameters has seen {} updates, another one {}", where, *steps_, *count);
      steps_ = count;
    }
  }

  const std::string& form() const { return form_; }
  std::optional<uint64_t> iteration() const { return iteration_; }
  std::optional<uint64_t> steps() const { return steps_; }

 private:
  void take_form(const Node* node) {
    if (node && node->kind == Kind::kText && form_.empty()) form_ = node->text;
  }
  static std::optional<uint64_t> count_of(const Node* node) {
    if (!node) return {};
    const double number = node->kind == Kind::kInteger  ? static_cast<double>(node->integer)
                          : node->kind == Kind::kNumber ? node->number
                                                        : -1;
    if (!(number >= 0 && number <= kLargestCount) || std::floor(number) != number) return {};
    return static_cast<uint64_t>(number);
  }

  Pickle pickle_;
  std::string form_;
  std::optional<uint64_t> iteration_, steps_;
};

}  // namespace

bool is_of_optimizer(std::string_view name) { return name.starts_with("optimizer.") || name.starts_with(kChained); }

void set_place_in_optimizer(TensorInfo& tensor) {
  std::string_view rest = unchained(tensor.name);
  if (!rest.starts_with(kState)) return;
  rest.remove_prefix(kState.size());
  const size_t dot = rest.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot + 1 == rest.size()) return;
  const std::string_view role = rest.substr(0, dot);
  const bool master = std::find(std::begin(kMasterNames), std::end(kMasterNames), role) != std::end(kMasterNames);
  tensor.role = std::string(master ? kMaster : role);
  tensor.of = std::string(rest.substr(dot + 1));
}

std::string name_in_optimizer(const TensorInfo& tensor) {
  return std::string(kState) + std::string(tensor.role == kMaster ? kMasterNames[0] : std::string_view(tensor.role)) + "." + tensor.of;
}

Updates updates_of(const TensorList& tensors, std::string_view common_bytes, const std::string& where, const std::string& iteration) {
  const TensorInfo* placeless = nullptr;
  bool any = false;
  for (const TensorInfo& t : tensors.tensors) {
    if (t.part.empty()) continue;
    any = true;
    if (t.of.empty() && !placeless) placeless = &t;
  }
  if (!any) return {};
  if (common_bytes.empty()) return {"", "no common state says how many updates its optimizer has seen"};
  try {
    const Common common(common_bytes, where);
    if (placeless || (!common.form().empty() && common.form() != kReshardable))
      return {
          "",
          format(
              "its optimizer state is {}, which does not say which values belong to which weight: Megatron saves it fully reshardable with "
              "--dist-ckpt-optim-fully-reshardable",
              common.form().empty() || common.form() == kReshardable ? "of a form of its own (" + placeless->name + ")" : common.form())};
    if (!common.steps()) return {"", format("{} does not say how many updates its optimizer has seen", where)};
    const std::string steps = std::to_string(*common.steps());
    // Skipped updates advance the schedule but not the moments; Corral has one count for both.
    const auto differs = [&](const std::string& what, const std::string& other) {
      return Updates{"", format("{}: its optimizer has seen {} updates, but {} is {}", where, steps, what, other)};
    };
    if (common.iteration() && *common.iteration() != *common.steps()) return differs("its iteration", std::to_string(*common.iteration()));
    if (!iteration.empty() && iteration != steps) return differs("the iteration in the folder's name", iteration);
    return {steps, ""};
  } catch (const Error& e) {
    if (e.exit_code() != 2) throw;
    return {"", e.what()};
  }
}

}  // namespace corral::megatron
