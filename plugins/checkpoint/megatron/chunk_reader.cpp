#include "plugins/checkpoint/megatron/chunk_reader.h"

#include <algorithm>
#include <cstring>

#include "corral/error.h"
#include "plugins/checkpoint/common/element_type.h"

namespace corral::megatron {
namespace {
constexpr uint64_t kPiece = 8 << 20;
}

ChunkReader::ChunkReader(const safetensors::File& file, const Chunk& chunk, const TorchType& type, const std::string& where)
    : file_(file), begin_(chunk.offsets), where_(where) {
  tensor_ = read_torch_tensor(Bytes::of(file, chunk.item.offset, chunk.item.length, where));
  if (tensor_.type != &type) fail("{}: its elements are torch.{}, but .metadata says torch.{}", where, tensor_.type->name, type.name);
  if (tensor_.sizes != chunk.sizes) {
    // Some releases store axes of size 1 and others drop them.
    const auto without_ones = [](std::vector<int64_t> sizes) {
      std::erase(sizes, 1);
      return sizes;
    };
    if (without_ones(tensor_.sizes) != without_ones(chunk.sizes)) fail("{}: its shape is not that of .metadata", where);
    std::vector<int64_t> strides;
    size_t from = 0;
    for (const int64_t size : chunk.sizes) {
      if (size == 1) {
        strides.push_back(0);
        continue;
      }
      while (tensor_.sizes[from] == 1) ++from;
      strides.push_back(tensor_.strides[from++]);
    }
    tensor_.sizes = chunk.sizes;
    tensor_.strides = std::move(strides);
  }
  storage_ = chunk.item.offset + tensor_.storage.offset;
}

void ChunkReader::read(const Box& box, char* to, const std::vector<int64_t>& strides) const {
  std::vector<Axis> axes;
  uint64_t from = tensor_.first;
  for (size_t a = 0; a < begin_.size(); ++a) {
    from += static_cast<uint64_t>((box.begin[a] - begin_[a]) * tensor_.strides[a]);
    const Axis next{box.end[a] - box.begin[a], tensor_.strides[a], strides[a]};
    if (next.size == 1) continue;
    if (!axes.empty() && axes.back().from == next.from * next.size && axes.back().to == next.to * next.size)
      axes.back() = {axes.back().size * next.size, next.from, next.to};
    else
      axes.push_back(next);
  }
  copy(std::move(axes), from, to);
}

// Reads straight into the target if the elements are contiguous in both; else through a buffer of at most kPiece bytes.
void ChunkReader::copy(std::vector<Axis> axes, uint64_t from, char* to) const {
  const uint64_t bytes = tensor_.type->bytes;
  if (axes.empty()) return fetch(from, to, bytes);
  if (axes.size() == 1 && axes[0].from == 1 && axes[0].to == 1) return fetch(from, to, static_cast<uint64_t>(axes[0].size) * bytes);
  uint64_t span = 1;
  for (const Axis& a : axes) span += static_cast<uint64_t>((a.size - 1) * a.from);
  if (span * bytes > kPiece) {
    // Too large for the buffer: halve the axis with the largest stride in the file.
    const size_t widest =
        static_cast<size_t>(std::max_element(axes.begin(), axes.end(),
                                             [](const Axis& a, const Axis& b) { return a.from * (a.size > 1) < b.from * (b.size > 1); }) -
                            axes.begin());
    std::vector<Axis> low = axes, high = axes;
    const int64_t half = axes[widest].size / 2;
    low[widest].size = half;
    high[widest].size -= half;
    for (std::vector<Axis>* part : {&low, &high})
      if ((*part)[widest].size == 1) part->erase(part->begin() + static_cast<std::ptrdiff_t>(widest));
    const Axis cut = axes[widest];
    copy(std::move(low), from, to);
    return copy(std::move(high), from + static_cast<uint64_t>(half * cut.from), to + static_cast<uint64_t>(half * cut.to) * bytes);
  }
  std::vector<char> buffer(span * bytes);
  fetch(from, buffer.data(), buffer.size());
  const bool runs = axes.back().from == 1 && axes.back().to == 1;
  const uint64_t run = runs ? static_cast<uint64_t>(axes.back().size) * bytes : bytes;
  if (runs) axes.pop_back();
  std::vector<int64_t> at(axes.size(), 0);
  int64_t source = 0, target = 0;
  for (;;) {
    std::memcpy(to + static_cast<uint64_t>(target) * bytes, buffer.data() + static_cast<uint64_t>(source) * bytes, run);
    size_t axis = axes.size();
    for (; axis > 0; --axis) {
      Axis& a = axes[axis - 1];
      source += a.from;
      target += a.to;
      if (++at[axis - 1] < a.size) break;
      source -= a.from * a.size;
      target -= a.to * a.size;
      at[axis - 1] = 0;
    }
    if (axis == 0) return;
  }
}

void ChunkReader::fetch(uint64_t from, void* to, uint64_t size) const {
  const uint64_t at = from * tensor_.type->bytes, whole = tensor_.storage.size;
  file_.read(storage_ + at, to, size);
  const uint32_t own = file_.sparse() && safetensors::all_zeros(to, size) ? crc_of_zeros(size) : crc_of(to, size);
  crc_.fetch_xor(crc_share(own, whole - at - size));
  if (read_.fetch_add(size) + size != whole || crc_.load() == tensor_.storage.crc) return;
  // A part that was read twice changes the sum like a flipped bit does: read everything once to tell them apart.
  std::vector<char> buffer(std::min(kPiece, whole));
  uint32_t crc = 0;
  for (uint64_t done = 0; done < whole; done += buffer.size()) {
    buffer.resize(std::min<uint64_t>(buffer.size(), whole - done));
    file_.read(storage_ + done, buffer.data(), buffer.size());
    crc ^= crc_share(crc_of(buffer.data(), buffer.size()), whole - done - buffer.size());
  }
  if (crc != tensor_.storage.crc) fail("{}: its bytes do not have their checksum: the file is damaged", where_);
}

}  // namespace corral::megatron
