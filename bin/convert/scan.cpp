#include "bin/convert/scan.h"

#include <algorithm>
#include <cstring>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/hash128.h"
#include "kernel/checkpoint/tasks.h"

namespace corral::convert {
using namespace checkpoint;
namespace {
constexpr uint64_t kPiece = 4 << 20;

// Counts values whose exponent is all ones: infinite if the fraction is zero, else NaN.
template <class Bits>
void count_odd(const char* data, uint64_t bytes, Bits exponent, TensorScan& scan) {
  const uint64_t count = bytes / sizeof(Bits);
  const Bits fraction = static_cast<Bits>(~exponent & static_cast<Bits>(~Bits{0}) >> 1);
  uint64_t odd = 0, infinite = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Bits x;
    std::memcpy(&x, data + i * sizeof(Bits), sizeof(Bits));
    const bool full = (x & exponent) == exponent;
    odd += full;
    infinite += full && (x & fraction) == 0;
  }
  scan.nans += odd - infinite;
  scan.infinities += infinite;
}

void count_odd(DType dtype, const std::vector<char>& piece, TensorScan& scan) {
  switch (dtype) {
    case DType::F32:
      return count_odd<uint32_t>(piece.data(), piece.size(), 0x7f800000, scan);
    case DType::BF16:
      return count_odd<uint16_t>(piece.data(), piece.size(), 0x7f80, scan);
    case DType::F16:
      return count_odd<uint16_t>(piece.data(), piece.size(), 0x7c00, scan);
    case DType::F64:
      return count_odd<uint64_t>(piece.data(), piece.size(), 0x7ff0000000000000, scan);
    default:
      return;
  }
}

void scan_one(TensorSource& tensors, size_t number, TensorScan& scan) {
  const TensorInfo& t = tensors.tensors()[number];
  Hash128 hash;
  std::vector<char> piece;
  const uint64_t size = static_cast<uint64_t>(element_count(t.shape)) * element_bytes(t.dtype);
  for (uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(std::min(kPiece, size - at));
    tensors.read(number, at, piece.data(), piece.size());
    hash.update(piece.data(), piece.size());
    count_odd(t.dtype, piece, scan);
  }
  scan.hash = hash.hex();
}

}  // namespace

std::vector<TensorScan> scan_tensors(TensorSource& tensors) {
  std::vector<TensorScan> scans(tensors.tensors().size());
  std::vector<std::function<void()>> tasks;
  for (size_t i = 0; i < scans.size(); ++i)
    tasks.push_back([&tensors, &scans, i] {
      try {
        scan_one(tensors, i, scans[i]);
      } catch (const Error& e) {
        scans[i].problem = e.what();
      }
    });
  run_tasks(tasks, tensors.concurrent());
  return scans;
}

}  // namespace corral::convert
