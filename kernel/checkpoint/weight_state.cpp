#include "kernel/checkpoint/weight_state.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/weight_map.h"

namespace corral::checkpoint {
namespace {
using Names = std::unordered_set<std::string>;

Names names_of(const std::vector<TensorInfo>& tensors) {
  Names names;
  for (const TensorInfo& t : tensors) names.insert(t.name);
  return names;
}

// External tensors that contain any of these parameters.
Names holders(const WeightMap& map, const Names& parameters) {
  Names externals;
  for (const WeightEntry& e : map.entries)
    if (e.kind == WeightEntry_Kind::PAIR && parameters.contains(e.parameter.tensor)) externals.insert(e.external.tensor);
  return externals;
}

// The entries of the map for these parameters, and for the padding of their tensors.
WeightMap part_of(const WeightMap& map, const Names& parameters) {
  const Names externals = holders(map, parameters);
  WeightMap part = map;
  std::erase_if(part.entries, [&](const WeightEntry& e) {
    return e.kind == WeightEntry_Kind::FILL ? !externals.contains(e.external.tensor) : !parameters.contains(e.parameter.tensor);
  });
  Names kept;
  for (const WeightEntry& e : part.entries) kept.insert(e.external.tensor);
  std::erase_if(part.externals, [&](const TensorInfo& t) { return !kept.contains(t.name); });
  return part;
}

// Optimizer state tensors of a checkpoint, under the names of their weights.
class Beside final : public TensorSource {
 public:
  Beside(const CheckpointReaderHandle& reader, std::vector<TensorInfo> tensors, std::vector<size_t> numbers)
      : reader_(reader), tensors_(std::move(tensors)), numbers_(std::move(numbers)) {}
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  void read(size_t tensor, uint64_t offset, void* to, uint64_t size) override { reader_.read(numbers_[tensor], offset, to, size); }
  bool concurrent() const override { return true; }

 private:
  const CheckpointReaderHandle& reader_;
  std::vector<TensorInfo> tensors_;
  std::vector<size_t> numbers_;
};

void check_state(const TensorInfo& found, const TensorInfo& weight) {
  if (found.shape != weight.shape)
    fail("tensor \"{}\" has shape {}, but its weight \"{}\" has {}", found.name, shape_text(found.shape), weight.name,
         shape_text(weight.shape));
  if (found.dtype != DType::F32 && found.dtype != DType::BF16 && found.dtype != DType::F16)
    fail("tensor \"{}\" is {}: expected F32, BF16 or F16", found.name, dtype_name(found.dtype));
}

}  // namespace

bool stand_alone(const WeightMap& map, const std::vector<TensorInfo>& parameters) {
  const Names names = names_of(parameters), externals = holders(map, names);
  return std::all_of(map.entries.begin(), map.entries.end(), [&](const WeightEntry& e) {
    return e.kind != WeightEntry_Kind::PAIR || !externals.contains(e.external.tensor) || names.contains(e.parameter.tensor);
  });
}

std::vector<TensorInfo> written_states(const WeightMap& map, const WeightState& state) {
  const WeightMap part = part_of(map, names_of(state.tensors->tensors()));
  std::vector<TensorInfo> all = written_externals(part, state.tensors->tensors());
  for (TensorInfo& t : all) {
    t.part = "optimizer";
    t.role = state.role;
    t.of = t.name;
    t.name = state.role + "." + t.of;
  }
  return all;
}

void write_states(const WeightMap& map, const WeightState& state, const CheckpointWriterHandle& writer, std::vector<TensorInfo> tensors,
                  size_t first) {
  for (TensorInfo& t : tensors) t.name = t.of;
  FormatSink sink(writer, std::move(tensors), first);
  write_externals(part_of(map, names_of(state.tensors->tensors())), *state.tensors, sink);
}

std::vector<std::string> roles_in(const std::vector<TensorInfo>& tensors) {
  std::vector<std::string> roles;
  for (const TensorInfo& t : tensors)
    if (!t.of.empty() && std::find(roles.begin(), roles.end(), t.role) == roles.end()) roles.push_back(t.role);
  return roles;
}

void read_states(const CheckpointReaderHandle& reader, const WeightMap& map, const std::string& role, TensorSink& sink) {
  const WeightMap part = part_of(map, names_of(sink.tensors()));
  std::unordered_map<std::string, const TensorInfo*> weights;
  for (const TensorInfo& t : part.externals) weights.emplace(t.name, &t);
  std::vector<TensorInfo> tensors;
  std::vector<size_t> numbers;
  std::unordered_set<std::string> there;
  const std::vector<TensorInfo> all = reader.list().tensors;
  for (size_t i = 0; i < all.size(); ++i) {
    TensorInfo t = all[i];
    if (t.role != role || t.of.empty()) continue;
    const auto weight = weights.find(t.of);
    if (weight == weights.end()) fail("tensor \"{}\" belongs to \"{}\", but no parameter is made of that here", t.name, t.of);
    if (!there.insert(t.of).second) fail("tensor \"{}\" belongs to \"{}\", and so does another one: expected one", t.name, t.of);
    check_state(t, *weight->second);
    t.name = t.of;
    tensors.push_back(std::move(t));
    numbers.push_back(i);
  }
  for (const std::string& name : holders(part, names_of(sink.tensors())))
    if (!there.contains(name)) fail("the optimizer's state has no {} of tensor \"{}\", but has it of others", role, name);
  Beside source(reader, std::move(tensors), std::move(numbers));
  read_parameters(part, source, sink);
}

}  // namespace corral::checkpoint
