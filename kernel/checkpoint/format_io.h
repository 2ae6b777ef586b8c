// The tensors of a checkpoint format as source and sink, and the ways a model's checkpoint is read and written through its weight map.
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
  // `tensors` are those of the writer's request, from number `first` on.
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

// The tensors that are weights of the model, in their order: what a weight map is asked for with.
std::vector<TensorInfo> weights_of(const std::vector<TensorInfo>& tensors);

// Checks the checkpoint against the map, then reads every parameter into the sink, converted where the sink has another element type.
void load_model(const CheckpointReaderHandle& reader, const WeightMap& map, TensorSink& parameters);

// Those parameters that the sink has, of a checkpoint that was checked against the map.
void load_part(const CheckpointReaderHandle& reader, const WeightMap& map, TensorSink& parameters);

// Writes every external tensor of the map, and the request's files and configuration, into an existing folder; the request's tensors are
// set here, and its kind where it has none. With them goes what stands beside the weights; throws Unsupported, with nothing written, where
// the format has no place for that.
void save_model(const CheckpointFormat& format, const std::string& folder, const WeightMap& map, TensorSource& parameters,
                CheckpointWriteRequest request, const std::vector<WeightState>& states = {});

// A model's checkpoint in a format, as it is: its tensors with their types and, where both formats speak one dialect, even those that are
// stored twice. `parameters` are the model's, of any types; the request's tensors are set here.
struct ModelCopy {
  const WeightMap &from, &to;  // one map where the dialects are one
  std::vector<TensorInfo> parameters;
};
void copy_model(const CheckpointReaderHandle& reader, const ModelCopy& maps, const CheckpointFormat& format, const std::string& folder,
                CheckpointWriteRequest request);

// Tensors of the training state, each into the file that its `file` names, in an existing folder.
void save_state(const CheckpointFormat& format, const std::string& folder, TensorSource& state);
// The sink's tensors, each of which must be there with its type and shape.
void load_state(const CheckpointReaderHandle& reader, TensorSink& state);

}  // namespace corral::checkpoint
