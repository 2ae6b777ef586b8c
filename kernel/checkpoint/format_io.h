// Reads and writes a model's checkpoint through its weight map; the tensors of a checkpoint format as source and sink.
#pragma once

#include "kernel/checkpoint/tensor_io.h"
#include "kernel/checkpoint/weight_state.h"
#include "kernel/plugin/checkpoint.h"

namespace corral::checkpoint {

class FormatSource final : public TensorSource {
 public:
  explicit FormatSource(const CheckpointReaderHandle& reader) : reader_(reader), tensors_(reader.list().tensors) {}
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  void read(size_t tensor, uint64_t offset, void* to, uint64_t size) override { reader_.read(tensor, offset, to, size); }
  bool concurrent() const override { return true; }

 private:
  const CheckpointReaderHandle& reader_;
  std::vector<TensorInfo> tensors_;
};

class FormatSink final : public TensorSink {
 public:
  // `tensors` are the tensors of the writer's request from number `first` on.
  FormatSink(const CheckpointWriterHandle& writer, std::vector<TensorInfo> tensors, size_t first = 0)
      : writer_(writer), tensors_(std::move(tensors)), first_(first) {}
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  void write(size_t tensor, uint64_t offset, const void* data, uint64_t size) override {
    writer_.write(first_ + tensor, offset, data, size);
  }
  bool concurrent() const override { return true; }

 private:
  const CheckpointWriterHandle& writer_;
  std::vector<TensorInfo> tensors_;
  size_t first_;
};

// The tensors that are weights of the model, in their order; a plugin is asked for a weight map with them.
std::vector<TensorInfo> weights_of(const std::vector<TensorInfo>& tensors);

// Checks the checkpoint against the map, then reads every parameter into the sink. Converts if the sink has another element type.
void load_model(const CheckpointReaderHandle& reader, const WeightMap& map, TensorSink& parameters);

// Reads only the parameters that the sink has. The checkpoint was checked against the map before.
void load_part(const CheckpointReaderHandle& reader, const WeightMap& map, TensorSink& parameters);

// Writes a model's checkpoint into an existing folder: every external tensor of the map, the optimizer states, and the request's files and
// configuration. Sets the request's tensors, and its kind if it has none. Throws Unsupported, with nothing written, if the format cannot
// store optimizer states.
void save_model(const CheckpointFormat& format, const std::string& folder, const WeightMap& map, TensorSource& parameters,
                CheckpointWriteRequest request, const std::vector<WeightState>& states = {});

struct ModelCopy {
  const WeightMap &from, &to;          // the same map if both formats use one dialect
  std::vector<TensorInfo> parameters;  // of the model; types do not matter
};
// Copies a model's checkpoint into another format, in the types that it stores. If both formats use one dialect, tensors that are stored
// twice stay so. Sets the request's tensors.
void copy_model(const CheckpointReaderHandle& reader, const ModelCopy& maps, const CheckpointFormat& format, const std::string& folder,
                CheckpointWriteRequest request);

// Writes the tensors of the training state into an existing folder, each into the file that its `file` names.
void save_state(const CheckpointFormat& format, const std::string& folder, TensorSource& state);
// Reads all tensors of the sink. The checkpoint must have each of them with its type and shape.
void load_state(const CheckpointReaderHandle& reader, TensorSink& state);

}  // namespace corral::checkpoint
