#include "bin/convert/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/strided.h"
#include "kernel/checkpoint/tasks.h"
#include "kernel/checkpoint/weight_map.h"

namespace corral::convert {
using namespace checkpoint;
namespace {
using Kind = WeightEntry_Kind;

struct Sums {
  uint64_t differing = 0;
  double max_abs = 0, squares = 0, difference_squares = 0;
};

template <class T>
double plain(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<double>(value);
}

using Reader = double (*)(const char*);
Reader reader_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return plain<float>;
    case DType::F64:
      return plain<double>;
    case DType::I32:
      return plain<int32_t>;
    case DType::I64:
      return plain<int64_t>;
    case DType::U8:
    case DType::BOOL:
      return plain<uint8_t>;
    case DType::BF16:
      return [](const char* at) {
        uint16_t bits;
        std::memcpy(&bits, at, sizeof bits);
        return static_cast<double>(bf16_to_f32(bits));
      };
    case DType::F16:
      return [](const char* at) {
        uint16_t bits;
        std::memcpy(&bits, at, sizeof bits);
        return static_cast<double>(f16_to_f32(bits));
      };
    default:
      return nullptr;
  }
}

// Compares elements. Equal bits are equal values, also for NaN.
void compare(const char* a, DType a_type, const char* b, DType b_type, int64_t count, Sums& sums) {
  const uint64_t a_bytes = element_bytes(a_type), b_bytes = element_bytes(b_type), n = static_cast<uint64_t>(count);
  const bool same_type = a_type == b_type;
  const Reader read_a = reader_of(a_type), read_b = reader_of(b_type);
  for (uint64_t i = 0; i < n; ++i, a += a_bytes, b += b_bytes) {
    const bool same_bits = same_type && std::memcmp(a, b, a_bytes) == 0;
    if (!read_a || !read_b) {
      if (same_bits) continue;
      ++sums.differing;
      sums.max_abs = std::numeric_limits<double>::infinity();
      continue;
    }
    const double x = read_a(a);
    if (std::isfinite(x)) sums.squares += x * x;
    if (same_bits) continue;
    const double y = read_b(b);
    if (!same_type && (x == y || (std::isnan(x) && std::isnan(y)))) continue;
    ++sums.differing;
    const double difference = std::isfinite(x) && std::isfinite(y) ? std::fabs(x - y) : std::numeric_limits<double>::infinity();
    sums.max_abs = std::max(sums.max_abs, difference);
    sums.difference_squares += difference * difference;
  }
}

// Copies one side's elements of a pair of views into a dense buffer, in an order that both sides share.
void gather(TileBuffer& buffer, const Tile& tile, TensorSource& source, size_t tensor, uint64_t bytes, std::vector<char>& to) {
  buffer.gather(tile, source, tensor, bytes);
  to.clear();
  buffer.scatter(tile, bytes,
                 [&](int64_t, const char* data, int64_t count) { to.insert(to.end(), data, data + static_cast<uint64_t>(count) * bytes); });
}

struct Piece {
  size_t external, parameter, sums;
  Tile tile;  // from the external tensor to the parameter
};

// True if all bits are equal. Values are compared only if `sums` is given.
bool compare_piece(const Piece& p, TensorSource& externals, TensorSource& parameters, Sums* sums) {
  thread_local TileBuffer buffer;
  thread_local std::vector<char> a, b;
  const DType a_type = externals.tensors()[p.external].dtype, b_type = parameters.tensors()[p.parameter].dtype;
  if (!sums && a_type != b_type) return false;
  gather(buffer, p.tile, externals, p.external, element_bytes(a_type), a);
  Tile own = p.tile;
  own.from_offset = own.to_offset;
  own.from_strides = own.to_strides;
  gather(buffer, own, parameters, p.parameter, element_bytes(b_type), b);
  if (sums) compare(a.data(), a_type, b.data(), b_type, p.tile.count, *sums);
  return a == b;
}

}  // namespace

double TensorDifference::relative() const {
  if (difference_squares == 0) return 0;
  return squares > 0 ? std::sqrt(difference_squares / squares) : std::numeric_limits<double>::infinity();
}

std::vector<TensorDifference> compare_through_map(const WeightMap& map, const std::vector<TensorInfo>& shapes, TensorSource& externals,
                                                  TensorSource& parameters) {
  std::unordered_map<std::string, size_t> known, own;
  std::unordered_map<std::string, const TensorInfo*> expected;
  for (const TensorInfo& t : shapes) expected.emplace(t.name, &t);
  for (size_t i = 0; i < parameters.tensors().size(); ++i) own.emplace(parameters.tensors()[i].name, i);
  std::vector<TensorDifference> all;
  std::vector<size_t> numbers;
  std::unordered_map<std::string, bool> spoken_of;
  for (const WeightEntry& e : map.entries)
    if (e.kind != Kind::FILL) spoken_of[e.external.tensor] = true;
  for (size_t i = 0; i < externals.tensors().size(); ++i) {
    if (!spoken_of.contains(externals.tensors()[i].name)) continue;
    known.emplace(externals.tensors()[i].name, all.size());
    numbers.push_back(i);
    all.emplace_back().tensor = externals.tensors()[i];
  }
  std::vector<Piece> pieces;
  for (const WeightEntry& e : map.entries) {
    const auto at = known.find(e.external.tensor);
    if (e.kind == Kind::FILL || at == known.end()) continue;
    TensorDifference& d = all[at->second];
    const auto parameter = own.find(e.parameter.tensor);
    if (parameter == own.end()) {
      d.problem = "the other has no " + e.parameter.tensor;
      continue;
    }
    const TensorInfo& other = parameters.tensors()[parameter->second];
    d.other_dtype = other.dtype;
    if (other.shape != expected.at(other.name)->shape) {
      d.problem = format("the other's {} is {}", other.name, shape_text(other.shape));
      continue;
    }
    const uint64_t bytes = std::max(element_bytes(d.tensor.dtype), element_bytes(other.dtype));
    for_each_tile(e.external, e.parameter, static_cast<int64_t>(kBufferBytes / bytes), [&](const Tile& tile) {
      pieces.push_back({numbers[at->second], parameter->second, at->second, tile});
    });
  }
  const bool concurrent = externals.concurrent() && parameters.concurrent();
  // Most pieces are equal, which their bytes tell; pieces that differ are read once more for the figures.
  std::vector<char> equal(pieces.size(), 1);
  std::vector<std::function<void()>> tasks;
  for (size_t i = 0; i < pieces.size(); ++i)
    if (all[pieces[i].sums].problem.empty())
      tasks.push_back([&, i] { equal[i] = compare_piece(pieces[i], externals, parameters, nullptr); });
  run_tasks(tasks, concurrent);
  std::vector<char> differs(all.size(), 0);
  for (size_t i = 0; i < pieces.size(); ++i) {
    all[pieces[i].sums].compared += static_cast<uint64_t>(pieces[i].tile.count);
    if (!equal[i]) differs[pieces[i].sums] = 1;
  }
  // The sums of each piece are added in order, so several threads give the same figures as one.
  std::vector<Sums> sums(pieces.size());
  tasks.clear();
  for (size_t i = 0; i < pieces.size(); ++i)
    if (differs[pieces[i].sums]) tasks.push_back([&, i] { compare_piece(pieces[i], externals, parameters, &sums[i]); });
  run_tasks(tasks, concurrent);
  for (size_t i = 0; i < pieces.size(); ++i) {
    TensorDifference& d = all[pieces[i].sums];
    d.differing += sums[i].differing;
    d.max_abs = std::max(d.max_abs, sums[i].max_abs);
    d.squares += sums[i].squares;
    d.difference_squares += sums[i].difference_squares;
  }
  return all;
}

WeightMap same_names(const std::vector<TensorInfo>& tensors) {
  WeightMap map;
  map.externals = tensors;
  for (const TensorInfo& t : tensors) {
    WeightEntry& e = map.entries.emplace_back();
    e.external = e.parameter = whole_view(t);
  }
  return map;
}

}  // namespace corral::convert
