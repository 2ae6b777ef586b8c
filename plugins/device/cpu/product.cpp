// The products of linear layers, through oneDNN's float32 product: bfloat16 operands are converted on the way in.
#include <dnnl.h>

#include "plugins/device/cpu/kernel.h"
#include "plugins/device/cpu/matrix.h"

namespace corral::cpu {

void sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c, bool add) {
  if (m == 0 || n == 0) return;
  const dnnl_status_t status =
      dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1.0f, a, ta ? m : k, b, tb ? k : n, add ? 1.0f : 0.0f, c, n);
  if (status != dnnl_success) fail_bug("oneDNN refused a product of {} x {} x {}", m, n, k);
}

namespace {

// sizes: rows, columns of the result, inner, elements of a, of b.
template <bool ta, bool tb>
void product(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const int64_t m = p.sizes[0], n = p.sizes[1], k = p.sizes[2];
  float* buffer = static_cast<float*>(workspace);
  const float* a = as_float(in[0], p.in[0], m * k, buffer, p.context.threads);
  buffer += buffer_floats(p.in[0], m * k);
  const float* b = as_float(in[1], p.in[1], n * k, buffer, p.context.threads);
  buffer += buffer_floats(p.in[1], n * k);
  if (p.out[0] != DType::BF16) {
    sgemm(ta, tb, m, n, k, a, b, static_cast<float*>(out[0]), p.adds(0));
    return;
  }
  sgemm(ta, tb, m, n, k, a, b, buffer, false);
  from_float(out[0], p.out[0], m * n, buffer, p.adds(0), p.context.threads);
}

void prepare(const NodeView& node, Prepared& p) {
  const std::string_view role = node.text("role");
  const int64_t rows = node.in(0).rows(), A = node.in(0)[-1], B = node.in(1)[-1];
  if (role == "fprop") {
    p.sizes[0] = rows, p.sizes[1] = node.in(1)[0], p.sizes[2] = A;
    p.launch = product<false, true>;
  } else if (role == "dgrad") {
    p.sizes[0] = rows, p.sizes[1] = B, p.sizes[2] = A;
    p.launch = product<false, false>;
  } else {
    p.sizes[0] = A, p.sizes[1] = B, p.sizes[2] = rows;
    p.launch = product<true, false>;
  }
  const int64_t m = p.sizes[0], n = p.sizes[1], k = p.sizes[2];
  p.workspace =
      sizeof(float) * static_cast<uint64_t>(buffer_floats(p.in[0], m * k) + buffer_floats(p.in[1], n * k) + buffer_floats(p.out[0], m * n));
}

constexpr OpEntry kOps[] = {{"product", prepare}};

}  // namespace

std::span<const OpEntry> product_ops() { return kOps; }

}  // namespace corral::cpu
