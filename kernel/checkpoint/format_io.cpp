#include "kernel/checkpoint/format_io.h"

#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/mapped_parameters.h"
#include "kernel/checkpoint/weight_map.h"

namespace corral::checkpoint {

std::vector<TensorInfo> weights_of(const std::vector<TensorInfo>& tensors) {
  std::vector<TensorInfo> weights;
  for (const TensorInfo& t : tensors)
    if (t.part.empty()) weights.push_back(t);
  return weights;
}

void load_model(const CheckpointReaderHandle& reader, const WeightMap& map, TensorSink& parameters) {
  check_weight_map(map, parameters.tensors());
  FormatSource source(reader);
  check_externals(map, source.tensors());
  read_parameters(map, source, parameters);
}

void load_part(const CheckpointReaderHandle& reader, const WeightMap& map, TensorSink& parameters) {
  WeightMap part = map;
  std::erase_if(part.entries, [&](const WeightEntry& e) {
    return e.kind != WeightEntry_Kind::PAIR || find_tensor(parameters.tensors(), e.parameter.tensor) == parameters.tensors().size();
  });
  FormatSource source(reader);
  read_parameters(part, source, parameters);
}

void save_model(const CheckpointFormat& format, const std::string& folder, const WeightMap& map, TensorSource& parameters,
                CheckpointWriteRequest request, const std::vector<WeightState>& states) {
  check_weight_map(map, parameters.tensors());
  if (request.kind.empty()) request.kind = "model";
  std::vector<TensorInfo> weights = written_externals(map, parameters.tensors());
  std::vector<TensorInfo>& all = request.tensors.tensors = weights;
  std::vector<std::vector<TensorInfo>> beside;
  for (const WeightState& s : states) {
    beside.push_back(written_states(map, s));
    all.insert(all.end(), beside.back().begin(), beside.back().end());
  }
  CheckpointWriterHandle writer = format.create(folder, request);
  size_t first = weights.size();
  FormatSink sink(writer, std::move(weights));
  write_externals(map, parameters, sink);
  for (size_t i = 0; i < states.size(); ++i) {
    const size_t count = beside[i].size();
    write_states(map, states[i], writer, std::move(beside[i]), first);
    first += count;
  }
  writer.finish();
  writer.commit();
}

void copy_model(const CheckpointReaderHandle& reader, const ModelCopy& maps, const CheckpointFormat& format, const std::string& folder,
                CheckpointWriteRequest request) {
  check_weight_map(maps.from, maps.parameters);
  FormatSource source(reader);
  check_externals(maps.from, source.tensors());
  for (const TensorInfo& t : weights_of(source.tensors()))
    if (t.dtype != DType::F32 && t.dtype != DType::BF16 && t.dtype != DType::F16)
      fail("tensor \"{}\"{} is {}: weights are expected in F32, BF16 or F16", t.name, t.file.empty() ? "" : " of " + t.file,
           dtype_name(t.dtype));
  check_copies(maps.from, source);
  request.kind = "model";
  if (&maps.from == &maps.to) {
    request.tensors.tensors = weights_of(source.tensors());
    CheckpointWriterHandle writer = format.create(folder, request);
    FormatSink sink(writer, std::move(request.tensors.tensors));
    copy_tensors(source, sink);
    writer.finish();
    return writer.commit();
  }
  MappedParameters parameters(maps.from, source, stored_types(maps.from, source.tensors(), maps.parameters));
  save_model(format, folder, maps.to, parameters, std::move(request));
}

void save_state(const CheckpointFormat& format, const std::string& folder, TensorSource& state) {
  CheckpointWriteRequest request;
  request.kind = "state";
  request.tensors.tensors = state.tensors();
  CheckpointWriterHandle writer = format.create(folder, request);
  FormatSink sink(writer, std::move(request.tensors.tensors));
  copy_tensors(state, sink);
  writer.finish();
  writer.commit();
}

void load_state(const CheckpointReaderHandle& reader, TensorSink& state) {
  FormatSource source(reader);
  for (const TensorInfo& t : state.tensors()) {
    const size_t i = find_tensor(source.tensors(), t.name);
    if (i == source.tensors().size()) fail("the training state has no tensor \"{}\": it was saved by a run with other settings", t.name);
    const TensorInfo& found = source.tensors()[i];
    if (found.shape != t.shape || found.dtype != t.dtype)
      fail("tensor \"{}\" of the training state is {} {}, but this run needs {} {}", t.name, dtype_name(found.dtype),
           shape_text(found.shape), dtype_name(t.dtype), shape_text(t.shape));
  }
  copy_tensors(source, state);
}

}  // namespace corral::checkpoint
