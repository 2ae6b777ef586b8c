#include "plugins/checkpoint/common/safetensors.h"

#include <unordered_map>

#include "corral/error.h"

namespace corral::safetensors {
namespace {

SafetensorsHeader read_header(const File& file) {
  char first[8] = {};
  const uint64_t there = std::min<uint64_t>(8, file.size());
  file.read(0, first, there);
  std::string json(header_length({first, there}, file.size(), file.path()), '\0');
  file.read(8, json.data(), json.size());
  return parse_header(json, file.size(), file.path());
}

uint64_t size_of(const SafetensorsHeader& header) { return header.data_start + (header.tensors.empty() ? 0 : header.tensors.back().end); }

void check_range(const StoredTensor& t, uint64_t offset, uint64_t size, const std::string& path) {
  const uint64_t whole = t.end - t.begin;
  if (offset > whole || size > whole - offset)
    fail_bug("{}: bytes {} to {} of tensor {}, which has {}", path, offset, offset + size, in_quotes(t.name), whole);
}

}  // namespace

SafetensorsReader::SafetensorsReader(const std::string& path) : file_(File::open(path)), header_(read_header(file_)) {}

void SafetensorsReader::read(size_t tensor, uint64_t offset, void* to, uint64_t size) const {
  const StoredTensor& t = header_.tensors.at(tensor);
  check_range(t, offset, size, path());
  file_.read(header_.data_start + t.begin + offset, to, size);
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<StoredTensor> tensors, WriteMode mode)
    : mode_(mode),
      tensors_(std::move(tensors)),
      written_(new std::atomic<uint64_t>[tensors_.size()]()),
      header_{tensors_, 0},
      file_((make_header(header_), (mode.one_of_several ? File::share : File::create)(path, size_of(header_), mode.sparse))) {
  std::unordered_map<std::string_view, const StoredTensor*> placed;
  for (const StoredTensor& t : header_.tensors)
    if (!placed.emplace(t.name, &t).second) fail_bug("{}: tensor {} is to be written twice", path, in_quotes(t.name));
  for (StoredTensor& t : tensors_) t = *placed.at(t.name);
}

void SafetensorsWriter::write(size_t tensor, uint64_t offset, const void* data, uint64_t size) {
  const StoredTensor& t = tensors_.at(tensor);
  check_range(t, offset, size, file_.path());
  file_.write(header_.data_start + t.begin + offset, data, size);
  written_[tensor] += size;
}

void SafetensorsWriter::finish() {
  for (size_t i = 0; i < tensors_.size() && !mode_.one_of_several; ++i)
    if (const uint64_t whole = tensors_[i].end - tensors_[i].begin; written_[i] != whole)
      fail_bug("{}: {} bytes of tensor {} were written, it has {}", file_.path(), written_[i].load(), in_quotes(tensors_[i].name), whole);
  file_.close();
}

void SafetensorsWriter::commit(const std::string& path, std::vector<StoredTensor> tensors) {
  SafetensorsHeader header{std::move(tensors), 0};
  const std::string head = make_header(header);
  File file = File::share(path, size_of(header), true);
  file.write(0, head.data(), head.size());
  file.close();
}

}  // namespace corral::safetensors
