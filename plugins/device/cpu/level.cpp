#include "plugins/device/cpu/level.h"

namespace corral::cpu {

#if defined(__AVX512BF16__)
const OpEntry* corral_dispatch_avx512_bf16(std::string_view op) {
#else
const OpEntry* corral_dispatch_avx2(std::string_view op) {
#endif
  for (const auto& group : {elementwise_ops(), row_ops(), attention_ops(), attention_backward_ops(), product_ops(), loss_ops(),
                            quantize_ops(), scaling_ops(), update_ops()})
    for (const OpEntry& entry : group)
      if (op == entry.name) return &entry;
  return nullptr;
}

}  // namespace corral::cpu
