// Pickles of torch checkpoints: whatever the bytes, they are refused with a sentence, or every value is inside of what was read, and a
// .metadata that is taken is whole and writes and reads again as the same.
#include <string>

#include "plugins/checkpoint/megatron/configuration.h"
#include "plugins/checkpoint/megatron/metadata.h"
#include "plugins/checkpoint/megatron/pickle.h"
#include "plugins/checkpoint/megatron/torch_tensor.h"
#include "tests/fuzz/claims.h"

namespace {
using namespace corral::megatron;

bool same(const Metadata& a, const Metadata& b) {
  if (a.tensors.size() != b.tensors.size() || a.objects.size() != b.objects.size()) return false;
  for (size_t t = 0; t < a.tensors.size(); ++t)
    if (a.tensors[t].name != b.tensors[t].name || a.tensors[t].shape != b.tensors[t].shape ||
        a.tensors[t].chunks.size() != b.tensors[t].chunks.size())
      return false;
  return true;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ends_or_is_refused([&] {
    const Pickle pickle(
        bytes, [](std::string_view, std::string_view) { return true; }, "here");
    const std::vector<ZipRecord> none;
    ends_or_is_refused([&] { read_torch_tensor(pickle, pickle.root(), none); });
    pickle.find(pickle.root(), "args");
  });
  ends_or_is_refused([&] { config_of_common(bytes, "here"); });
  ends_or_is_refused([&] {
    const Metadata m = read_metadata(bytes, "here");
    require(same(m, read_metadata(write_metadata(m), "there")));
  });
  return 0;
}
