#include "plugins/checkpoint/megatron/folder_reader.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "plugins/checkpoint/common/element_type.h"
#include "plugins/checkpoint/megatron/configuration.h"
#include "plugins/checkpoint/megatron/optimizer_state.h"

namespace corral::megatron {
namespace {
namespace fs = std::filesystem;
using safetensors::in_quotes;
constexpr char kMetadata[] = ".metadata", kMark[] = "metadata.json", kTracker[] = "latest_checkpointed_iteration.txt";
constexpr uint64_t kLargestMetadata = 256 << 20, kLargestCommon = 64 << 20, kLargestText = 4 << 20;
constexpr uint64_t kLargestFile = 64 << 20;  // limit for a file copied with the model; tokenizers have up to 35 MB

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// The folder that the tracker file names: iter_0000500, or release.
std::string named_by_tracker(const std::string& folder) {
  const std::string path = (fs::path(folder) / kTracker).string();
  std::string word = safetensors::read_whole(path, 64);
  while (!word.empty() && (word.back() == '\n' || word.back() == '\r')) word.pop_back();
  if (word == "release") return word;
  uint64_t iteration = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), iteration);
  if (word.empty() || word.size() > 10 || error != std::errc() || end != word.data() + word.size())
    fail("{}: {}: expected the number of an iteration, or release", path, in_quotes(word));
  char name[32];
  std::snprintf(name, sizeof name, "iter_%07llu", static_cast<unsigned long long>(iteration));
  return name;
}

// The end of a message about a folder without .metadata: its format if it is an older one, or the iteration to use instead.
std::string instead_of(const fs::path& folder, const std::string& named) {
  if (is_there(folder / named / "mp_rank_00") || is_there(folder / named / "mp_rank_00_000"))
    return "; it is of Megatron's older format, torch: Megatron converts it with --ckpt-convert-format torch_dist";
  std::vector<std::string> others;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (is_there(at->path() / kMetadata)) others.push_back(at->path().filename().string());
  if (others.empty()) return is_there(folder / named) ? "; its save did not finish" : "";
  return "; name " + *std::max_element(others.begin(), others.end()) + ", which has, or write its number into " + kTracker;
}

std::string iteration_folder(const std::string& path) {
  if (is_there(fs::path(path) / kMetadata) || !is_there(fs::path(path) / kTracker)) return path;
  const std::string inner = (fs::path(path) / named_by_tracker(path)).string();
  if (!is_there(inner)) fail("{}: its {} names {}, which does not exist", path, kTracker, inner);
  return inner;
}

void check_mark(const std::string& folder) {
  const std::string path = (fs::path(folder) / kMark).string();
  if (!is_there(path))
    fail("{} has a .metadata but no {}: it is not a folder of Megatron Core's torch_dist, or its save did not finish", folder, kMark);
  const nlohmann::json mark = nlohmann::json::parse(safetensors::read_whole(path, kLargestText), nullptr, false);
  if (!mark.is_object() || !mark.contains("sharded_backend") || !mark["sharded_backend"].is_string())
    fail("{}: expected an object with sharded_backend, which is \"torch_dist\"", path);
  if (const std::string backend = mark["sharded_backend"]; backend != "torch_dist")
    fail("{}: sharded_backend = {}: only torch_dist is read; convert it with Megatron's own tools", path, in_quotes(backend));
}

// A checkpoint of many ranks has more files than a process may open by default.
void allow_open_files(size_t count) {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= count + 100) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, count + 100);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Probe probe_folder(const std::string& path) {
  const fs::path folder(path);
  if (is_there(folder / kMetadata)) {
    if (is_there(folder / kMark)) return {100, "has .metadata and metadata.json", {}};
    return {40, "has .metadata, but no metadata.json", {}};
  }
  if (!is_there(folder / kTracker)) return {0, "has neither .metadata nor latest_checkpointed_iteration.txt", {}};
  try {
    const std::string inner = named_by_tracker(path);
    if (is_there(folder / inner / kMetadata)) return {100, "its tracker names " + inner, {}};
    return {0, "its tracker names " + inner + ", which has no .metadata" + instead_of(folder, inner), {}};
  } catch (const Error& e) {
    return {0, e.what(), {}};
  }
}

FolderReader::FolderReader(const std::string& path) : folder_(iteration_folder(path)) {
  const std::string metadata = (fs::path(folder_) / kMetadata).string();
  if (!is_there(metadata)) fail("{} has no .metadata", folder_);
  check_mark(folder_);
  metadata_ = read_metadata(safetensors::read_whole(metadata, kLargestMetadata), metadata);
  open_files();
  check_items();
  for (DistTensor& t : metadata_.tensors) {
    Pieces pieces;
    pieces.strides.resize(t.shape.size());
    int64_t stride = 1;
    for (size_t a = t.shape.size(); a-- > 0; stride *= t.shape[a]) pieces.strides[a] = stride;
    std::sort(t.chunks.begin(), t.chunks.end(), [](const Chunk& a, const Chunk& b) { return a.offsets < b.offsets; });
    for (const Chunk& c : t.chunks) {
      const safetensors::File& file = files_[c.item.file];
      pieces.chunks.push_back(std::make_unique<ChunkReader>(
          file, c, *t.type, format("{} at byte {}, a piece of {}", file.path(), c.item.offset, in_quotes(t.name))));
      if (!t.shape.empty()) pieces.longest = std::max(pieces.longest, c.sizes[0]);
    }
    pieces_.push_back(std::move(pieces));
    TensorInfo info;
    info.name = t.name;
    info.dtype = t.type->dtype;
    info.shape = t.shape;
    if (!t.chunks.empty()) info.file = metadata_.files[t.chunks[0].item.file];
    if (is_of_optimizer(t.name)) {
      info.part = "optimizer";
      set_place_in_optimizer(info);
    }
    list_.tensors.push_back(std::move(info));
  }
}

void FolderReader::open_files() {
  allow_open_files(metadata_.files.size());
  for (const std::string& name : metadata_.files) {
    const fs::path path = fs::path(folder_) / name;
    std::error_code error;
    const fs::file_status status = fs::symlink_status(path, error);
    if (!fs::exists(status)) fail("{}: .metadata names it, but it is not there", path.string());
    if (!fs::is_regular_file(status)) fail("{}: not a regular file", path.string());
    files_.push_back(safetensors::File::open(path.string()));
  }
}

void FolderReader::check_items() const {
  std::vector<std::vector<std::pair<uint64_t, uint64_t>>> spans(files_.size());
  const auto add = [&](const Item& item, const std::string& name) {
    const safetensors::File& file = files_[item.file];
    if (item.offset > file.size() || item.length > file.size() - item.offset)
      fail("{}: {} is at bytes {} to {}, but the file has {}: it was cut off", file.path(), in_quotes(name), item.offset,
           item.offset + item.length, file.size());
    spans[item.file].emplace_back(item.offset, item.offset + item.length);
  };
  for (const DistTensor& t : metadata_.tensors)
    for (const Chunk& c : t.chunks) add(c.item, t.name);
  for (const ByteObject& o : metadata_.objects) add(o.item, o.name);
  for (size_t f = 0; f < spans.size(); ++f) {
    std::sort(spans[f].begin(), spans[f].end());
    for (size_t i = 1; i < spans[f].size(); ++i)
      if (spans[f][i].first < spans[f][i - 1].second) fail("{}: two of its items overlap at byte {}", files_[f].path(), spans[f][i].first);
  }
}

// data.pkl of the first object whose name starts with `prefix`, or "".
std::string FolderReader::object(const std::string& prefix) const {
  for (const ByteObject& o : metadata_.objects) {
    if (!o.name.starts_with(prefix)) continue;
    const Bytes archive =
        Bytes::of(files_[o.item.file], o.item.offset, o.item.length, files_[o.item.file].path() + ", " + in_quotes(o.name));
    const std::vector<ZipRecord> records = read_zip(archive);
    if (const ZipRecord* data = find_record(records, "data.pkl")) return read_record(archive, *data, kLargestCommon);
  }
  return "";
}

std::pair<std::string, std::string> FolderReader::common_state() const {
  const std::string path = (fs::path(folder_) / "common.pt").string();
  if (!is_there(path)) return {object("common_state/shard_"), folder_ + ", common_state"};
  const std::string bytes = safetensors::read_whole(path, kLargestCommon);
  const Bytes archive = Bytes::of(bytes, path);
  const std::vector<ZipRecord> records = read_zip(archive);
  const ZipRecord* data = find_record(records, "data.pkl");
  return {data ? read_record(archive, *data, kLargestCommon) : "", path};
}

// Describes the program that wrote the folder, as far as its files tell.
std::string FolderReader::made_by(const CheckpointInfo& info) const {
  std::set<std::string> ranks;
  for (const std::string& name : metadata_.files) {
    const size_t rank = name.find("__"), end = rank == std::string::npos ? rank : name.find('_', rank + 2);
    if (end != std::string::npos) ranks.insert(name.substr(rank + 2, end - rank - 2));
  }
  const auto count = [](size_t n, const char* what) { return format("{} {}{}", n, what, n == 1 ? "" : "s"); };
  std::string text = count(metadata_.files.size(), "file") + " of " + count(ranks.size(), "rank");
  if (is_there(fs::path(folder_) / "run_config.yaml")) return text + ", with the run_config.yaml of Megatron Bridge";
  return text + (info.config.empty() ? "" : ", with the arguments of Megatron-LM");
}

CheckpointInfo FolderReader::info() {
  CheckpointInfo info;
  info.dialect = "megatron";
  info.config_is_section = true;
  bool adapter = false, model = false;
  for (const TensorInfo& t : list_.tensors)
    if (t.part.empty()) (t.name.find(".adapter.") == std::string::npos ? model : adapter) = true;
  if (adapter && !model) info.kind = "adapter";
  const fs::path folder(folder_), yaml = folder / "run_config.yaml";
  if (is_there(yaml)) info.config = config_of_yaml(safetensors::read_whole(yaml.string(), kLargestText), yaml.string());
  const bool optimizer = std::any_of(list_.tensors.begin(), list_.tensors.end(), [](const TensorInfo& t) { return !t.part.empty(); });
  const auto [common, where] = info.config.empty() || optimizer ? common_state() : std::pair<std::string, std::string>();
  if (info.config.empty() && !common.empty()) info.config = config_of_common(common, where);
  info.made_by = made_by(info);
  const fs::path whole = fs::path(folder_) / "";
  if (const std::string name = whole.parent_path().filename().string(); name.starts_with("iter_") && name.size() <= 15) {
    uint64_t iteration = 0;
    const auto [end, error] = std::from_chars(name.data() + 5, name.data() + name.size(), iteration);
    if (error == std::errc() && end == name.data() + name.size()) info.iteration = std::to_string(iteration);
  }
  Updates updates = updates_of(list_, common, where, info.iteration);
  info.optimizer_steps = std::move(updates.steps);
  info.optimizer_refusal = std::move(updates.refusal);
  // Corral stores the model's other files in hf/, Megatron Bridge the tokenizer's in tokenizer/.
  for (const char* name : {"hf", "tokenizer"}) {
    std::error_code error;
    if (!fs::is_directory(folder / name, error)) continue;
    info.files_folder = (folder / name).string();
    std::vector<fs::path> paths;
    for (fs::directory_iterator at(folder / name, error), end; !error && at != end; at.increment(error))
      if (std::error_code ignored; at->is_regular_file(ignored)) paths.push_back(at->path());
    std::sort(paths.begin(), paths.end());
    for (const fs::path& path : paths) {
      std::string content = safetensors::read_whole(path.string(), kLargestFile);
      if (path.filename() == "config.json" && std::string_view(name) == "hf") {
        DialectConfig other;
        other.dialect = name;
        other.content = std::move(content);
        info.others.push_back(std::move(other));
        continue;
      }
      NamedFile file;
      file.name = path.filename().string();
      file.content = std::move(content);
      info.files.push_back(std::move(file));
    }
    break;
  }
  return info;
}

void FolderReader::read(uint64_t tensor, uint64_t offset, void* to, uint64_t size) {
  if (tensor >= pieces_.size()) fail_bug("{}: tensor number {} of {}", folder_, tensor, pieces_.size());
  const DistTensor& t = metadata_.tensors[tensor];
  const uint64_t bytes = t.type->bytes;
  uint64_t whole = bytes;
  for (const int64_t n : t.shape) whole *= static_cast<uint64_t>(n);
  if (offset > whole || size > whole - offset)
    fail_bug("{}: bytes {} to {} of tensor {}, which has {}", folder_, offset, offset + size, in_quotes(t.name), whole);
  const auto first = static_cast<int64_t>(offset / bytes), last = static_cast<int64_t>((offset + size + bytes - 1) / bytes);
  if (offset % bytes == 0 && size % bytes == 0) return read_elements(tensor, first, last, static_cast<char*>(to));
  std::vector<char> elements(static_cast<uint64_t>(last - first) * bytes);
  read_elements(tensor, first, last, elements.data());
  std::memcpy(to, elements.data() + offset % bytes, size);
}

void FolderReader::read_elements(uint64_t tensor, int64_t first, int64_t last, char* to) const {
  const DistTensor& t = metadata_.tensors[tensor];
  const Pieces& pieces = pieces_[tensor];
  for_each_box(t.shape, first, last, [&](const Box& box) {
    auto at = pieces.chunks.begin();
    if (!t.shape.empty())
      at = std::partition_point(pieces.chunks.begin(), pieces.chunks.end(),
                                [&](const auto& c) { return c->begin()[0] + pieces.longest <= box.begin[0]; });
    for (; at != pieces.chunks.end(); ++at) {
      const ChunkReader& c = **at;
      if (!t.shape.empty() && c.begin()[0] >= box.end[0]) break;
      Box part = box;
      int64_t place = -first;
      bool meets = true;
      for (size_t a = 0; a < t.shape.size(); ++a) {
        part.begin[a] = std::max(box.begin[a], c.begin()[a]);
        part.end[a] = std::min(box.end[a], c.begin()[a] + c.sizes()[a]);
        meets = meets && part.begin[a] < part.end[a];
        place += part.begin[a] * pieces.strides[a];
      }
      if (meets) c.read(part, to + static_cast<uint64_t>(place) * t.type->bytes, pieces.strides);
    }
  });
}

}  // namespace corral::megatron
