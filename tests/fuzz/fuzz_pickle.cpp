// Pickles of torch checkpoints: any bytes are refused with a message, or give values from inside the bytes. An accepted .metadata or tensor
// is whole and reads back equal after it was written. An input that does not begin as a pickle is also tried as a run_config.yaml.
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

// Storages that tensors of the pickle may refer to.
const std::vector<ZipRecord> kRecords{{"data/0", 0, 64, 0}, {"data/1", 64, 8, 0}, {"data/2", 128, 0, 0}};

void tensor(const Pickle& pickle) {
  const TorchTensor t = read_torch_tensor(pickle, pickle.root(), kRecords);
  uint64_t last = t.first, count = 1;
  for (size_t i = 0; i < t.sizes.size(); ++i) {
    count *= static_cast<uint64_t>(t.sizes[i]);
    if (t.sizes[i] > 0) last += static_cast<uint64_t>(t.sizes[i] - 1) * static_cast<uint64_t>(t.strides[i]);
  }
  require(count == 0 || (last + 1) * t.type->bytes <= t.storage.size);
  // A broadcast tensor may claim any number of elements of a small storage.
  if (count > 1'000'000) return;
  for (const bool in_list : {false, true}) {
    const std::string bytes = tensor_pickle(*t.type, t.sizes, in_list);
    const Pickle written(bytes, allowed_in_torch_save, "there");
    const Node& node = in_list ? written.at(written.root().items[0]) : written.root();
    const TorchTensor again = read_torch_tensor(written, node, {{"data/0", 0, count * t.type->bytes, 0}});
    require(again.sizes == t.sizes && again.type == t.type && again.first == 0);
  }
}

// A configuration that was read from any file reads back equal after it was written.
void run_config(std::string_view bytes) {
  const std::string first = config_of_yaml(bytes, "here");
  if (first.empty()) return;
  const std::string second = config_of_yaml(run_config_yaml(first, 7), "there");
  require(config_of_yaml(run_config_yaml(second, 7), "there") == second);
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (!bytes.starts_with('\x80')) ends_or_is_refused([&] { run_config(bytes); });
  ends_or_is_refused([&] {
    const Pickle pickle(
        bytes, [](std::string_view, std::string_view) { return true; }, "here");
    ends_or_is_refused([&] { tensor(pickle); });
    pickle.find(pickle.root(), "args");
  });
  ends_or_is_refused([&] { config_of_common(bytes, "here"); });
  ends_or_is_refused([&] {
    const Metadata m = read_metadata(bytes, "here");
    require(same(m, read_metadata(write_metadata(m), "there")));
  });
  return 0;
}
