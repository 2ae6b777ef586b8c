#include "bin/convert/model_transfer.h"

#include <filesystem>
#include <map>

#include "bin/job/job.h"
#include "bin/job/model_files.h"
#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/files.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/stored_parameters.h"

namespace corral::convert {
namespace {

// The type of most of the weights' bytes, as configurations spell it.
std::string most_common_type(const std::vector<TensorInfo>& tensors) {
  std::map<DType, uint64_t> bytes;
  for (const TensorInfo& t : tensors)
    bytes[t.dtype] += static_cast<uint64_t>(checkpoint::element_count(t.shape)) * checkpoint::element_bytes(t.dtype);
  DType most = DType::F32;
  for (const auto& [dtype, count] : bytes)
    if (count > bytes[most]) most = dtype;
  return most == DType::BF16 ? "bfloat16" : most == DType::F16 ? "float16" : "float32";
}

}  // namespace

ModelTransfer::ModelTransfer(const job::Host& host, const job::ModelSource& source, const std::string& format, uint64_t max_shard_bytes)
    : source_(source), format_(host.plugins.load("checkpoint", format)), model_(host.plugins.load("model", source.model_plugin)) {
  const std::string& dialect = source.info.dialect;
  from_ = weight_map_of(source, model_, source.options);
  request_.max_shard_bytes = max_shard_bytes;
  request_.dialect = format;
  request_.files = source.info.files;
  request_.config = source.info.config;
  request_.others = source.info.others;
  const std::vector<TensorInfo> tensors = checkpoint::weights_of(source.reader->list().tensors);
  for (const TensorInfo& t : tensors)
    bytes_ += static_cast<uint64_t>(checkpoint::element_count(t.shape)) * checkpoint::element_bytes(t.dtype);
  // A sparse file is written as a sparse file.
  if (const uint64_t allocated = checkpoint::allocated_below(source.path); allocated < checkpoint::bytes_below(source.path) / 2) {
    request_.sparse = true;
    space_ = allocated;
  }
  if (format == dialect) return;
  to_ = model_.weight_map(source.options, format);
  // The original configuration, stored by a format that can, for the way back.
  request_.others.emplace_back();
  request_.others.back().dialect = dialect;
  request_.others.back().content = source.info.config;
  request_.config = job::model_config(format, {model_, source.options}, source.info, most_common_type(tensors)).content;
}

void ModelTransfer::write(const std::string& folder) const {
  const bool same = to_.entries.empty();
  checkpoint::copy_model(*source_.reader, {from_, same ? from_ : to_, checkpoint::parameters_of(model_.emit(source_.options, 1, 8))},
                         format_, folder, request_);
}

std::string ModelTransfer::summary() const {
  const size_t files = request_.files.size();
  return corral::format("a model with its configuration{}",
                        files ? corral::format(" and {} other file{}", files, files == 1 ? "" : "s") : "");
}

void copy_adapter(const job::Host& host, const config::Sources& sources, const job::ModelSource& source, const std::string& format,
                  const std::string& folder, const std::vector<std::string>& target_modules) {
  const job::AdapterSource& adapter = *source.adapter;
  CheckpointWriteRequest request;
  request.kind = adapter.info.kind;
  request.dialect = format;
  request.config = adapter.info.config;
  request.files = adapter.info.files;
  const CheckpointFormat to(host.plugins.load("checkpoint", format));
  if (format == adapter.info.dialect && target_modules.empty()) {
    checkpoint::FormatSource tensors(*adapter.reader);
    request.tensors.tensors = tensors.tensors();
    CheckpointWriterHandle writer = to.create(folder, request);
    checkpoint::FormatSink sink(writer, std::move(request.tensors.tensors));
    checkpoint::copy_tensors(tensors, sink);
    writer.finish();
    return writer.commit();
  }
  config::RunConfig config = configure_for(host, sources, source);
  if (!target_modules.empty()) config.set("peft.target_modules", target_modules, "--target-modules");
  const train::Pipeline pipeline = make_pipeline(host, config);
  const std::vector<TensorInfo> weights = checkpoint::weights_of(source.reader->list().tensors);
  request.config = pipeline.adapter_config(format, std::filesystem::absolute(source.path).lexically_normal().string());
  request.others = {job::model_config(format, pipeline.model(), source.info, most_common_type(weights))};
  checkpoint::StoredParameters parameters(*adapter.reader, weight_map_of(adapter, pipeline),
                                          checkpoint::parameters_of(pipeline.evaluation(1, 8).graph));
  checkpoint::save_model(to, folder, pipeline.adapter_map(format), parameters.tensors(), std::move(request));
}

}  // namespace corral::convert
