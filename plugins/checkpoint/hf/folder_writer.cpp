#include "plugins/checkpoint/hf/folder_writer.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "plugins/checkpoint/hf/index_json.h"

namespace corral::safetensors {
namespace {
namespace fs = std::filesystem;
constexpr uint64_t kDefaultShard = 5'000'000'000;  // the default of transformers

// The shard of each tensor, in the order given. A new shard begins when the next tensor would make the current one too large.
std::vector<size_t> shards(const std::vector<StoredTensor>& tensors, uint64_t largest, uint64_t& total) {
  std::vector<size_t> shard;
  size_t current = 0;
  uint64_t filled = 0;
  total = 0;
  for (const StoredTensor& t : tensors) {
    uint64_t bytes = 0;
    if (!byte_size(*t.type, t.shape, bytes)) fail_bug("tensor {}: its shape fits no file", in_quotes(t.name));
    if (filled > 0 && bytes > largest - std::min(largest, filled)) {
      ++current;
      filled = 0;
    }
    filled += bytes;
    total += bytes;
    shard.push_back(current);
  }
  return shard;
}

std::string shard_name(size_t shard, size_t count) {
  if (count == 1) return "model.safetensors";
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", shard + 1, count);
  return name;
}

void write_file(const std::string& folder, const std::string& name, const std::string& content) {
  if (!is_plain_name(name)) fail("cannot write {} beside a checkpoint: expected a plain file name", in_quotes(name));
  File file = File::create((fs::path(folder) / name).string(), content.size());
  file.write(0, content.data(), content.size());
  file.close();
}

std::string state_file(const std::string& name) {
  const std::string file = name.empty() ? "state" : name;
  if (!is_plain_name(file)) fail_bug("state file {}: expected a plain name", in_quotes(file));
  return file.ends_with(".safetensors") ? file : file + ".safetensors";
}

// The file of each tensor. It follows from the request's tensors alone, so that every part and the commit agree.
struct Layout {
  std::vector<std::string> file_of;  // of each tensor
  std::map<std::string, std::vector<StoredTensor>> files;
  std::map<std::string, std::string> index;  // tensor -> file, if the model has several files
  uint64_t total = 0;
};

Layout layout_of(const CheckpointWriteRequest& request) {
  std::vector<StoredTensor> tensors;
  for (const TensorInfo& t : request.tensors.tensors)
    if (!t.part.empty()) throw Unsupported("a Hugging Face folder cannot store optimizer state");
  for (const TensorInfo& t : request.tensors.tensors) tensors.push_back({t.name, &element_type(t.dtype, t.name), t.shape, 0, 0});

  Layout layout;
  std::vector<std::string>& file_of = layout.file_of;
  file_of.resize(tensors.size());
  if (request.kind == "state") {
    for (size_t i = 0; i < tensors.size(); ++i) file_of[i] = state_file(request.tensors.tensors[i].file);
  } else if (request.kind == "model" || request.kind.empty()) {
    const std::vector<size_t> shard = shards(tensors, request.max_shard_bytes ? request.max_shard_bytes : kDefaultShard, layout.total);
    for (size_t i = 0; i < tensors.size(); ++i) {
      file_of[i] = shard_name(shard[i], shard.back() + 1);
      if (!layout.index.emplace(tensors[i].name, file_of[i]).second)
        fail_bug("tensor {} is to be written twice", in_quotes(tensors[i].name));
    }
    if (shard.empty() || shard.back() == 0) layout.index.clear();
  } else if (request.kind == "adapter") {
    std::fill(file_of.begin(), file_of.end(), "adapter_model.safetensors");
  } else {
    fail_bug("a checkpoint of kind {}: expected \"model\", \"adapter\" or \"state\"", in_quotes(request.kind));
  }
  for (size_t i = 0; i < tensors.size(); ++i) layout.files[file_of[i]].push_back(tensors[i]);
  return layout;
}

std::string path_in(const CheckpointWriteRequest& request, const std::string& name) { return (fs::path(request.path) / name).string(); }

}  // namespace

FolderWriter::FolderWriter(const CheckpointWriteRequest& request) {
  Layout layout = layout_of(request);
  std::map<std::string, size_t> number;
  for (const auto& [name, list] : layout.files) number.emplace(name, number.size());
  std::map<std::string, size_t> next;
  for (const std::string& name : layout.file_of) places_.push_back({number[name], next[name]++});
  // The small files come first, so that a disk without room for them is found before the tensors are written.
  if (request.part == 0) {
    if (!request.config.empty())
      write_file(request.path, request.kind == "adapter" ? "adapter_config.json" : "config.json", request.config);
    for (const NamedFile& f : request.files) write_file(request.path, f.name, f.content);
  }
  for (auto& [name, list] : layout.files)
    files_.push_back(
        std::make_unique<SafetensorsWriter>(path_in(request, name), std::move(list), WriteMode{request.sparse, request.parts > 1}));
}

void FolderWriter::write(uint64_t tensor, uint64_t offset, const void* data, uint64_t size) {
  if (tensor >= places_.size()) fail_bug("tensor number {} of {} is to be written", tensor, places_.size());
  files_[places_[tensor].file]->write(places_[tensor].tensor, offset, data, size);
}

void FolderWriter::finish() {
  for (auto& file : files_) file->finish();
}

void commit_folder(const CheckpointWriteRequest& request) {
  Layout layout = layout_of(request);
  for (auto& [name, list] : layout.files) SafetensorsWriter::commit(path_in(request, name), std::move(list));
  if (!layout.index.empty()) write_file(request.path, kIndexName, make_index(layout.index, layout.total));
}

}  // namespace corral::safetensors
