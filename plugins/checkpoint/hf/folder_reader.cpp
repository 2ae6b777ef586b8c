#include "plugins/checkpoint/hf/folder_reader.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <unordered_map>

#include "plugins/checkpoint/hf/index_json.h"

namespace corral::safetensors {
namespace {
namespace fs = std::filesystem;
constexpr char kWhole[] = "model.safetensors";
constexpr char kConfig[] = "config.json";
constexpr char kAdapter[] = "adapter_model.safetensors";
constexpr char kAdapterConfig[] = "adapter_config.json";
constexpr uint64_t kLargestIndex = 100'000'000;
constexpr uint64_t kLargestFile = 64 << 20;  // limit for a file copied with the model; tokenizers have up to 35 MB

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// A folder as peft writes it: the weights of an adapter without a whole model.
bool is_adapter(const std::string& folder) {
  return is_there(fs::path(folder) / kAdapter) && !is_there(fs::path(folder) / kWhole) && !is_there(fs::path(folder) / kIndexName);
}

// Sorted, so that a folder always reads the same.
std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) names.push_back(at->path().filename().string());
  }
  if (error) fail("cannot read {}: {}", folder, error.message());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> safetensors_in(const std::string& folder) {
  std::vector<std::string> names = names_in(folder);
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(".safetensors"); });
  return names;
}

// False for weights of any format and for files that describe the folder rather than the model.
bool goes_along(const std::string& name) {
  static constexpr const char* kNot[] = {
      ".safetensors",  ".safetensors.index.json", ".bin",    ".bin.index.json", ".pt", ".pth", ".h5", ".msgpack", ".onnx", ".gguf",
      "MANIFEST.json", "conversion.json",         ".partial"};
  return name.front() != '.' && name != kConfig && name != kAdapterConfig &&
         std::none_of(std::begin(kNot), std::end(kNot), [&](const char* end) { return name.ends_with(end); });
}

}  // namespace

Probe probe_folder(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    if (path.ends_with(".safetensors") && is_there(path)) return {80, "a safetensors file", {}};
    return {0, is_there(path) ? "neither a folder nor a .safetensors file" : "no such folder", {}};
  }
  for (const char* name : {kWhole, kIndexName})
    if (is_there(fs::path(path) / name)) return {is_there(fs::path(path) / kConfig) ? 100u : 90u, std::string("has ") + name, {}};
  if (is_adapter(path)) return {is_there(fs::path(path) / kAdapterConfig) ? 100u : 60u, std::string("has ") + kAdapter, {}};
  if (!safetensors_in(path).empty()) return {50, "has .safetensors files", {}};
  return {0, "has neither model.safetensors nor model.safetensors.index.json", {}};
}

FolderReader::FolderReader(const std::string& path) : folder_(path) {
  std::error_code ignored;
  if (!is_there(path)) fail("cannot read {}: no such file or folder", path);
  if (!fs::is_directory(path, ignored)) {
    folder_ = fs::path(path).parent_path().string();
    only_file_ = path;
    add(fs::path(path).filename().string());
    return;
  }
  if (is_there(fs::path(path) / kWhole))
    add(kWhole);
  else if (is_there(fs::path(path) / kIndexName))
    open_sharded();
  else if (is_adapter(path))
    add(kAdapter);
  else
    for (const std::string& name : safetensors_in(path)) add(name);
  if (!files_.empty()) return;
  for (const std::string& name : names_in(path))
    if (name.ends_with(".bin") || name.ends_with(".pth"))
      fail("{} has {}, a pickle that may run code, but neither {} nor {}: convert it to safetensors first", path, name, kWhole, kIndexName);
  fail("{} has neither {} nor {}", path, kWhole, kIndexName);
}

void FolderReader::open_sharded() {
  const std::string index_path = (fs::path(folder_) / kIndexName).string();
  const auto index = parse_index(read_whole(index_path, kLargestIndex), index_path);
  std::set<std::string> names;
  for (const auto& [tensor, file] : index) {
    if (names.contains(file)) continue;
    if (!is_there(fs::path(folder_) / file))
      fail("{}: weight_map[{}] = {}: no such file in the folder", index_path, in_quotes(tensor), in_quotes(file));
    names.insert(file);
  }
  for (const std::string& name : names) add(name);
  std::unordered_map<std::string_view, const std::string*> found;
  for (const TensorInfo& t : list_.tensors) {
    found.emplace(t.name, &t.file);
    if (!index.contains(t.name)) fail("{}: tensor {} of {} is not in weight_map", index_path, in_quotes(t.name), t.file);
  }
  for (const auto& [tensor, file] : index) {
    const auto at = found.find(tensor);
    if (at == found.end()) fail("{}: weight_map[{}] = {}: that file has no such tensor", index_path, in_quotes(tensor), in_quotes(file));
    if (*at->second != file)
      fail("{}: weight_map[{}] = {}, but the tensor is in {}", index_path, in_quotes(tensor), in_quotes(file), in_quotes(*at->second));
  }
}

void FolderReader::add(const std::string& file_name) {
  const SafetensorsReader& file = files_.emplace_back((fs::path(folder_) / file_name).string());
  std::unordered_map<std::string_view, size_t> before;
  for (size_t i = 0; i < list_.tensors.size(); ++i) before.emplace(list_.tensors[i].name, i);
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    const StoredTensor& t = file.tensors()[i];
    if (const auto at = before.find(t.name); at != before.end())
      fail("{}: tensor {} is also in {}", file.path(), in_quotes(t.name), list_.tensors[at->second].file);
    places_.push_back({&file, i});
  }
  for (const StoredTensor& t : file.tensors()) {
    TensorInfo info;
    info.name = t.name;
    info.dtype = t.type->dtype;
    info.shape = t.shape;
    info.file = file_name;
    list_.tensors.push_back(std::move(info));
  }
}

TensorList FolderReader::list() { return list_; }

CheckpointInfo FolderReader::info() {
  CheckpointInfo info;
  const bool adapter = only_file_.empty() && is_adapter(folder_);
  const fs::path config = fs::path(folder_) / (adapter ? kAdapterConfig : kConfig);
  if (!only_file_.empty() || !is_there(config)) return info;
  info.dialect = "hf";
  if (adapter) info.kind = "adapter";
  info.config = read_whole(config.string(), kLargestFile);
  for (const std::string& name : names_in(folder_)) {
    if (!goes_along(name)) continue;
    NamedFile file;
    file.name = name;
    file.content = read_whole((fs::path(folder_) / name).string(), kLargestFile);
    info.files.push_back(std::move(file));
  }
  return info;
}

void FolderReader::read(uint64_t tensor, uint64_t offset, void* to, uint64_t size) {
  if (tensor >= places_.size()) fail_bug("{}: tensor number {} of {}", folder_, tensor, places_.size());
  places_[tensor].file->read(places_[tensor].tensor, offset, to, size);
}

}  // namespace corral::safetensors
