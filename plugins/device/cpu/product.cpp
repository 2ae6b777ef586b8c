// The products of linear layers.
#include "plugins/device/cpu/gemm.h"
#include "plugins/device/cpu/gemv.h"
#include "plugins/device/cpu/kernel.h"

namespace corral::cpu {
namespace {

Gemm gemm_of(const Prepared& p) {
  return {.m = p.sizes[0],
          .n = p.sizes[1],
          .k = p.sizes[2],
          .ta = p.sizes[3] != 0,
          .tb = p.sizes[4] != 0,
          .a = p.in[0],
          .b = p.in[1],
          .c = p.out[0],
          .add = p.adds(0),
          .threads = p.context.threads};
}

void product(const Prepared& p, void* const* in, void* const* out, void* workspace) { gemm_of(p).run(in[0], in[1], out[0], workspace); }

Gemv gemv_of(const Prepared& p) {
  return {.rows = p.sizes[0],
          .n = p.sizes[1],
          .k = p.sizes[2],
          .x = p.in[0],
          .w = p.in[1],
          .y = p.out[0],
          .add = p.adds(0),
          .threads = p.context.threads};
}

void product_of_few(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  gemv_of(p).run(in[0], in[1], out[0], workspace);
}

void prepare(const NodeView& node, Prepared& p) {
  const std::string_view role = node.text("role");
  const int64_t rows = node.in(0).rows(), A = node.in(0)[-1], B = node.in(1)[-1];
  if (role == "fprop")
    p.sizes[0] = rows, p.sizes[1] = node.in(1)[0], p.sizes[2] = A, p.sizes[4] = 1;
  else if (role == "dgrad")
    p.sizes[0] = rows, p.sizes[1] = B, p.sizes[2] = A;
  else
    p.sizes[0] = A, p.sizes[1] = B, p.sizes[2] = rows, p.sizes[3] = 1;
  const bool few = role == "fprop" && rows <= Gemv::kMostRows;
  p.workspace = few ? gemv_of(p).workspace() : gemm_of(p).workspace();
  p.launch = few ? product_of_few : product;
}

constexpr OpEntry kOps[] = {{"product", prepare}};

}  // namespace

std::span<const OpEntry> product_ops() { return kOps; }

}  // namespace corral::cpu
