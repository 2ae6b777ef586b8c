#include "bin/convert/model_transfer.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>

#include "bin/job/configuration.h"
#include "bin/job/job.h"
#include "bin/job/load_plugin.h"
#include "bin/job/model_files.h"
#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/files.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/stored_parameters.h"

namespace corral::cli {
namespace {

// As configurations spell it: what most of the weights' bytes are.
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

ModelTransfer::ModelTransfer(const Arguments& arguments, const ModelSource& source, const std::string& format, uint64_t max_shard_bytes)
    : source_(source), format_(load_plugin(arguments, "checkpoint", format)), model_(load_plugin(arguments, "model", source.model_plugin)) {
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
  // A file of mostly holes becomes one of mostly holes.
  if (const uint64_t allocated = checkpoint::allocated_below(source.path); allocated < checkpoint::bytes_below(source.path) / 2) {
    request_.sparse = true;
    space_ = allocated;
  }
  if (format == dialect) return;
  to_ = model_.weight_map(source.options, format);
  // Kept by a format that can, for the way back.
  request_.others.emplace_back();
  request_.others.back().dialect = dialect;
  request_.others.back().content = source.info.config;
  request_.config = model_config(format, {model_, source.options}, source.info, most_common_type(tensors)).content;
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

void copy_adapter(const Arguments& arguments, const ModelSource& source, const std::string& format, const std::string& folder,
                  const std::vector<std::string>& target_modules) {
  const AdapterSource& adapter = *source.adapter;
  CheckpointWriteRequest request;
  request.kind = adapter.info.kind;
  request.dialect = format;
  request.config = adapter.info.config;
  request.files = adapter.info.files;
  const CheckpointFormat to(load_plugin(arguments, "checkpoint", format));
  if (format == adapter.info.dialect && target_modules.empty()) {
    checkpoint::FormatSource tensors(*adapter.reader);
    request.tensors.tensors = tensors.tensors();
    CheckpointWriterHandle writer = to.create(folder, request);
    checkpoint::FormatSink sink(writer, std::move(request.tensors.tensors));
    checkpoint::copy_tensors(tensors, sink);
    writer.finish();
    return writer.commit();
  }
  config::RunConfig config = configure_for(arguments, sources(arguments), source);
  if (!target_modules.empty()) config.set("peft.target_modules", target_modules, "--target-modules");
  const train::Pipeline pipeline = make_pipeline(arguments, config);
  const std::vector<TensorInfo> weights = checkpoint::weights_of(source.reader->list().tensors);
  request.config = pipeline.adapter_config(format, std::filesystem::absolute(source.path).lexically_normal().string());
  request.others = {model_config(format, pipeline.model(), source.info, most_common_type(weights))};
  checkpoint::StoredParameters parameters(*adapter.reader, weight_map_of(adapter, pipeline),
                                          checkpoint::parameters_of(pipeline.evaluation(1, 8)));
  checkpoint::save_model(to, folder, pipeline.adapter_map(format), parameters.tensors(), std::move(request));
}

uint64_t size_of_text(const std::string& flag, const std::string& text) {
  if (text.empty()) return 0;
  constexpr std::pair<const char*, double> kUnits[] = {{"", 1}, {"B", 1}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}};
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(error == std::errc() ? stop : text.data(), text.data() + text.size());
  for (const auto& [name, factor] : kUnits)
    if (error == std::errc() && unit == name && value * factor >= 1 && value * factor < 1e18) return static_cast<uint64_t>(value * factor);
  fail("--{} = \"{}\": expected a size such as 5GB or 200MB", flag, text);
}

}  // namespace corral::cli
