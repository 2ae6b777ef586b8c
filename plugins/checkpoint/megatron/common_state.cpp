#include "plugins/checkpoint/megatron/common_state.h"

#include <vector>

#include "plugins/checkpoint/megatron/pickle_writer.h"
#include "plugins/checkpoint/megatron/torch_tensor.h"
#include "plugins/checkpoint/megatron/zip.h"

namespace corral::megatron {
namespace {

// A whole archive; `storages` become data/0, data/1 ...
std::string archive(const std::string& pickle, const std::vector<std::string>& storages) {
  std::vector<std::pair<std::string, std::string>> records = {{"data.pkl", pickle}, {"byteorder", "little"}};
  for (size_t i = 0; i < storages.size(); ++i) records.emplace_back("data/" + std::to_string(i), storages[i]);
  records.emplace_back("version", "3\n");
  return archive_of(records);
}

template <class T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace

std::string common_state_pickle(uint64_t iteration, bool in_list) {
  PickleWriter p;
  if (in_list) p.list();
  p.dict().text("checkpoint_version").number(3.0).text("iteration").integer(static_cast<int64_t>(iteration));
  // Keys without a layer number, one axis for the layers: what a loading program asks for by default.
  p.text("content_metadata")
      .dict()
      .text("singleton_local_shards")
      .boolean(false)
      .text("chained_optim_avoid_prefix")
      .boolean(true)
      .end_dict();
  p.end_dict();
  if (in_list) p.end_list();
  return std::move(p).finish();
}

std::string common_pt(uint64_t iteration) { return archive(common_state_pickle(iteration, false), {}); }

std::string train_state_pt(uint64_t iteration, uint64_t consumed_samples) {
  const TorchType &whole = *torch_type("int64"), &real = *torch_type("float32"), &flag = *torch_type("bool");
  const struct {
    const char* name;
    const TorchType& type;
    std::string bytes;
  } values[] = {{"step", whole, bytes_of(iteration)},
                {"consumed_train_samples", whole, bytes_of(consumed_samples)},
                {"skipped_train_samples", whole, bytes_of(uint64_t{0})},
                {"consumed_valid_samples", whole, bytes_of(uint64_t{0})},
                {"floating_point_operations_so_far", real, bytes_of(0.0f)},
                {"do_train", flag, bytes_of(true)},
                {"do_valid", flag, bytes_of(true)},
                {"do_test", flag, bytes_of(false)}};
  PickleWriter p;
  std::vector<std::string> storages;
  p.dict();
  for (const auto& v : values) {
    p.text(v.name);
    put_tensor(p, v.type, {}, std::to_string(storages.size()));
    storages.push_back(v.bytes);
  }
  p.end_dict();
  return archive(std::move(p).finish(), storages);
}

}  // namespace corral::megatron
