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

}  // namespace

FolderWriter::FolderWriter(const std::string& folder, const CheckpointWriteRequest& request) {
  std::vector<StoredTensor> tensors;
  for (const TensorInfo& t : request.tensors.tensors)
    if (!t.part.empty()) throw Unsupported("a Hugging Face folder cannot store optimizer state");
  for (const TensorInfo& t : request.tensors.tensors) tensors.push_back({t.name, &element_type(t.dtype, t.name), t.shape, 0, 0});

  std::vector<std::string> file_of(tensors.size());
  if (request.kind == "state") {
    for (size_t i = 0; i < tensors.size(); ++i) file_of[i] = state_file(request.tensors.tensors[i].file);
  } else if (request.kind == "model" || request.kind.empty()) {
    uint64_t total = 0;
    const std::vector<size_t> shard = shards(tensors, request.max_shard_bytes ? request.max_shard_bytes : kDefaultShard, total);
    std::map<std::string, std::string> index;
    for (size_t i = 0; i < tensors.size(); ++i) {
      file_of[i] = shard_name(shard[i], shard.back() + 1);
      if (!index.emplace(tensors[i].name, file_of[i]).second) fail_bug("tensor {} is to be written twice", in_quotes(tensors[i].name));
    }
    if (!shard.empty() && shard.back() > 0) write_file(folder, kIndexName, make_index(index, total));
  } else if (request.kind == "adapter") {
    std::fill(file_of.begin(), file_of.end(), "adapter_model.safetensors");
  } else {
    fail_bug("a checkpoint of kind {}: expected \"model\", \"adapter\" or \"state\"", in_quotes(request.kind));
  }

  std::map<std::string, std::vector<StoredTensor>> lists;
  std::map<std::string, size_t> number;
  for (const std::string& name : file_of) number.emplace(name, 0);
  size_t next = 0;
  for (auto& [name, file] : number) file = next++;
  for (size_t i = 0; i < tensors.size(); ++i) {
    std::vector<StoredTensor>& list = lists[file_of[i]];
    places_.push_back({number[file_of[i]], list.size()});
    list.push_back(tensors[i]);
  }
  if (!request.config.empty()) write_file(folder, request.kind == "adapter" ? "adapter_config.json" : "config.json", request.config);
  for (const NamedFile& f : request.files) write_file(folder, f.name, f.content);
  for (auto& [name, list] : lists)
    files_.push_back(std::make_unique<SafetensorsWriter>((fs::path(folder) / name).string(), std::move(list), request.sparse));
}

void FolderWriter::write(uint64_t tensor, uint64_t offset, const void* data, uint64_t size) {
  if (tensor >= places_.size()) fail_bug("tensor number {} of {} is to be written", tensor, places_.size());
  files_[places_[tensor].file]->write(places_[tensor].tensor, offset, data, size);
}

void FolderWriter::finish() {
  for (auto& file : files_) file->finish();
}

}  // namespace corral::safetensors
