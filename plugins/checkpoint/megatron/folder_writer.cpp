#include "plugins/checkpoint/megatron/folder_writer.h"

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "corral/error.h"
#include "plugins/checkpoint/common/element_type.h"
#include "plugins/checkpoint/common/file.h"
#include "plugins/checkpoint/megatron/common_state.h"
#include "plugins/checkpoint/megatron/configuration.h"
#include "plugins/checkpoint/megatron/optimizer_state.h"
#include "plugins/checkpoint/megatron/torch_tensor.h"

namespace corral::megatron {
namespace {
namespace fs = std::filesystem;
using safetensors::in_quotes;
constexpr uint64_t kDefaultFile = 5'000'000'000;
constexpr uint64_t kLargestPiece = 1 << 30;  // small enough to need no zip64, and to be read whole for a part of it
constexpr uint64_t kItemAlignment = 64;
constexpr size_t kStackAxes = 3;
constexpr char kFinished[] = ".metadata.finished";  // .metadata before the commit

uint64_t rounded(uint64_t at) { return (at + kItemAlignment - 1) / kItemAlignment * kItemAlignment; }

void write_file(const fs::path& path, const std::string& content) {
  safetensors::File file = safetensors::File::create(path.string(), content.size());
  file.write(0, content.data(), content.size());
  file.close();
}

bool holds_optimizer(const CheckpointWriteRequest& request) {
  const auto& tensors = request.tensors.tensors;
  return std::any_of(tensors.begin(), tensors.end(), [](const TensorInfo& t) { return !t.part.empty(); });
}

CommonState common_state_of(const CheckpointWriteRequest& request) {
  CommonState state{request.iteration, request.consumed_samples, ""};
  if (holds_optimizer(request)) state.optimizer = request.optimizer.empty() ? "{}" : request.optimizer;
  return state;
}

void check_plain(const std::string& name) {
  if (name.empty() || name.front() == '.' || name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
    fail("cannot write {} beside a checkpoint: expected a plain file name", in_quotes(name));
}

}  // namespace

FolderWriter::FolderWriter(const CheckpointWriteRequest& request)
    : folder_(request.path), largest_file_(request.max_shard_bytes ? request.max_shard_bytes : kDefaultFile) {
  const bool model = request.kind == "model" || request.kind == "adapter" || request.kind.empty();
  if (!model && request.kind != "state")
    fail_bug("a checkpoint of kind {}: expected \"model\", \"adapter\" or \"state\"", in_quotes(request.kind));
  if (model) {
    place_object("common_state/shard_0_1", common_state_pickle(common_state_of(request), true), false);
    write_model_files(request);
  }
  std::unordered_set<std::string_view> names;
  for (const TensorInfo& t : request.tensors.tensors) {
    if (!names.insert(t.name).second) fail_bug("tensor {} is to be written twice", in_quotes(t.name));
    place(t);
  }
  place_masters(request.tensors.tensors);
  for (size_t f = 0; f < file_sizes_.size(); ++f)
    files_.push_back(std::make_unique<safetensors::File>(
        safetensors::File::create((fs::path(folder_) / metadata_.files[f]).string(), file_sizes_[f], request.sparse)));
}

FolderWriter::Archive& FolderWriter::add_archive(std::string pickle, uint64_t bytes, bool with_storage) {
  Archive& a = archives_.emplace_back();
  const auto small = [&](const char* name, std::string content) {
    const size_t number = a.layout.add(name, content.size());
    a.layout.set_crc(number, crc_of(content.data(), content.size()));
    a.small.emplace_back(number, std::move(content));
    return number;
  };
  a.data = small("data.pkl", std::move(pickle));
  small("byteorder", "little");
  if (with_storage) a.data = a.layout.add("data/0", bytes);
  small("version", "3\n");
  a.item.length = a.layout.size();
  if (file_sizes_.empty() || (file_sizes_.back() > 0 && rounded(file_sizes_.back()) + a.item.length > largest_file_)) {
    metadata_.files.push_back("__0_" + std::to_string(file_sizes_.size()) + ".distcp");
    file_sizes_.push_back(0);
  }
  a.item.file = static_cast<uint32_t>(file_sizes_.size() - 1);
  a.item.offset = rounded(file_sizes_.back());
  file_sizes_.back() = a.item.offset + a.item.length;
  return a;
}

void FolderWriter::place_object(const std::string& name, std::string pickle, bool with_storage) {
  metadata_.objects.push_back({name, add_archive(std::move(pickle), 0, with_storage).item});
}

void FolderWriter::place(const TensorInfo& t) {
  const TorchType& type = torch_type(t.dtype, t.name);
  Tensor& placed = tensors_.emplace_back();
  uint64_t row = type.bytes;
  for (size_t a = 1; a < t.shape.size(); ++a) row *= static_cast<uint64_t>(t.shape[a]);
  const uint64_t rows = t.shape.empty() ? 1 : static_cast<uint64_t>(t.shape[0]);
  placed.bytes = rows * row;
  if (placed.bytes == 0 && t.name.find("/shard_") != std::string::npos) {
    place_object(t.name, tensor_pickle(type, {0}, true), true);
    return;
  }
  // One piece per matrix of a stack of layers, since a loading rank reads one matrix at a time.
  const uint64_t step = t.shape.size() >= kStackAxes ? 1 : std::max<uint64_t>(1, kLargestPiece / std::max<uint64_t>(row, 1));
  if (row >> 32 != 0) fail("tensor {}: one of its rows has {} bytes, 4 GiB at most can be written", in_quotes(t.name), row);
  placed.piece = step * row;
  DistTensor& dist = metadata_.tensors.emplace_back();
  dist.name = t.part.empty() ? t.name : name_in_optimizer(t);
  dist.type = &type;
  dist.shape = t.shape;
  for (uint64_t begin = 0; begin < std::max<uint64_t>(rows, 1); begin += step) {
    Chunk chunk;
    chunk.offsets.resize(t.shape.size(), 0);
    chunk.sizes = t.shape;
    if (!t.shape.empty()) {
      chunk.offsets[0] = static_cast<int64_t>(begin);
      chunk.sizes[0] = static_cast<int64_t>(std::min(step, rows - begin));
    }
    uint64_t bytes = type.bytes;
    for (const int64_t n : chunk.sizes) bytes *= static_cast<uint64_t>(n);
    Archive& a = add_archive(tensor_pickle(type, chunk.sizes), bytes, true);
    chunk.item = a.item;
    placed.archives.push_back(&a);
    dist.chunks.push_back(std::move(chunk));
  }
}

void FolderWriter::place_masters(const std::vector<TensorInfo>& tensors) {
  std::unordered_set<std::string_view> moved, mastered;
  for (const TensorInfo& t : tensors)
    if (!t.part.empty()) (t.role == kMaster ? mastered : moved).insert(t.of);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& t = tensors[i];
    if (!t.part.empty() || t.dtype != DType::F32 || !moved.contains(t.name) || mastered.contains(t.name)) continue;
    TensorInfo master = t;
    master.part = "optimizer";
    master.of = t.name;
    master.role = kMaster;
    tensors_[i].twice = tensors_.size();
    place(master);
  }
}

void FolderWriter::write_model_files(const CheckpointWriteRequest& request) {
  const fs::path folder(folder_);
  write_file(folder / "common.pt", common_pt(common_state_of(request)));
  // Megatron Bridge reads the newest iteration from a copy beside the folder. The copy is written here; the folder's creator moves it.
  for (const char* name : {"train_state.pt", "latest_train_state.pt"})
    write_file(folder / name, train_state_pt(request.iteration, request.consumed_samples));
  std::string config = request.config;
  // An adapter's own configuration lacks the base model's.
  for (const DialectConfig& other : request.others)
    if (other.dialect == "megatron") config = joined_configs(other.content, config);
  write_file(folder / "run_config.yaml", run_config_yaml(config, request.iteration, holds_optimizer(request)));
  if (request.files.empty() && request.others.empty()) return;
  std::error_code error;
  fs::create_directory(folder / "hf", error);
  if (error) fail_environment("cannot make {}: {}", (folder / "hf").string(), error.message());
  for (const NamedFile& f : request.files) {
    check_plain(f.name);
    write_file(folder / "hf" / f.name, f.content);
  }
  for (const DialectConfig& other : request.others)
    if (other.dialect == "hf") write_file(folder / "hf" / "config.json", other.content);
}

void FolderWriter::write(uint64_t tensor, uint64_t offset, const void* data, uint64_t size) {
  if (tensor >= tensors_.size()) fail_bug("tensor number {} of {} is to be written", tensor, tensors_.size());
  const Tensor& t = tensors_[tensor];
  if (offset > t.bytes || size > t.bytes - offset) fail_bug("bytes {} to {} of {} are to be written", offset, offset + size, t.bytes);
  if (t.twice != 0) write(t.twice, offset, data, size);
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    Archive& a = *t.archives[offset / t.piece];
    const ZipRecord& record = a.layout.record(a.data);
    const uint64_t inside = offset % t.piece, count = std::min(size, record.size - inside);
    const safetensors::File& file = *files_[a.item.file];
    file.write(a.item.offset + record.offset + inside, at, count);
    const uint32_t crc = file.sparse() && safetensors::all_zeros(at, count) ? crc_of_zeros(count) : crc_of(at, count);
    a.crc.fetch_xor(crc_share(crc, record.size - inside - count));
    a.written += count;
    at += count;
    offset += count;
    size -= count;
  }
}

void FolderWriter::finish() {
  for (Archive& a : archives_) {
    const safetensors::File& file = *files_[a.item.file];
    const auto put = [&](uint64_t offset, const std::string& bytes) { file.write(a.item.offset + offset, bytes.data(), bytes.size()); };
    if (a.data != 0) {
      if (const uint64_t whole = a.layout.record(a.data).size; a.written != whole)
        fail_bug("{}: {} bytes of an item were written, it has {}", file.path(), a.written.load(), whole);
      a.layout.set_crc(a.data, a.crc);
      const auto [at, head] = a.layout.head(a.data);
      put(at, head);
    }
    for (const auto& [number, content] : a.small) {
      const auto [at, head] = a.layout.head(number);
      put(at, head);
      put(a.layout.record(number).offset, content);
    }
    const auto [at, tail] = a.layout.tail();
    put(at, tail);
  }
  for (auto& file : files_) file->close();
  write_file(fs::path(folder_) / kFinished, write_metadata(metadata_));
}

void commit_folder(const std::string& folder) {
  const fs::path path(folder);
  write_file(path / "metadata.json", "{\"sharded_backend\": \"torch_dist\", \"sharded_backend_version\": 1}\n");
  std::error_code error;
  fs::rename(path / kFinished, path / ".metadata", error);
  if (error) fail_environment("cannot rename {}: {}", (path / kFinished).string(), error.message());
}

}  // namespace corral::megatron
