#include "plugins/checkpoint/megatron/torch_tensor.h"

#include "corral/error.h"
#include "plugins/checkpoint/common/element_type.h"
#include "plugins/checkpoint/megatron/pickle_writer.h"

namespace corral::megatron {
namespace {
using safetensors::in_quotes;
constexpr uint64_t kLargestPickle = 1 << 20;
constexpr size_t kMostAxes = 16;

class Reader {
 public:
  Reader(const Pickle& pickle, const std::vector<ZipRecord>& records) : pickle_(pickle), records_(records) {}

  TorchTensor run(const Node& whole) {
    const Node* arguments = pickle_.call_of(whole, "torch._utils", "_rebuild_parameter");
    const Node& node = arguments && !arguments->items.empty() ? pickle_.at(arguments->items[0]) : whole;
    arguments = pickle_.call_of(node, "torch._utils", "_rebuild_tensor_v2");
    const Node* untyped = arguments ? nullptr : pickle_.call_of(node, "torch._utils", "_rebuild_tensor_v3");
    if (untyped) arguments = untyped;
    if (!arguments || arguments->items.size() < (untyped ? 7u : 6u)) wrong("it is not a tensor");
    const auto at = [&](size_t i) -> const Node& { return pickle_.at(arguments->items[i]); };
    const int64_t numel = read_storage(at(0), untyped ? &at(6) : nullptr);
    if (at(1).kind != Kind::kInteger || at(1).integer < 0) wrong("its offset is not a number");
    out_.first = static_cast<uint64_t>(at(1).integer);
    out_.sizes = integers(at(2), "sizes");
    out_.strides = integers(at(3), "strides");
    check_inside(static_cast<uint64_t>(numel));
    return std::move(out_);
  }

 private:
  template <class... Values>
  [[noreturn]] void wrong(std::string_view text, const Values&... values) const {
    fail("{}: {}", pickle_.where(), format(text, values...));
  }

  // Returns the number of elements.
  int64_t read_storage(const Node& node, const Node* type) {
    if (node.kind != Kind::kPersistent || pickle_.at(node.items[0]).kind != Kind::kTuple || pickle_.at(node.items[0]).items.size() != 5)
      wrong("its storage is not a torch storage");
    const std::vector<Id>& parts = pickle_.at(node.items[0]).items;
    const Node &kind = pickle_.at(parts[0]), &storage = pickle_.at(parts[1]), &key = pickle_.at(parts[2]), &count = pickle_.at(parts[4]);
    if (kind.text != "storage" || storage.kind != Kind::kGlobal || key.kind != Kind::kText || count.kind != Kind::kInteger ||
        count.integer < 0)
      wrong("its storage is not a torch storage");
    if (type) {
      if (type->kind != Kind::kGlobal || type->text != "torch") wrong("its element type is not a torch type");
      out_.type = torch_type(type->name);
    } else {
      out_.type = torch_type_of_storage(storage.name);
    }
    if (!out_.type) wrong("elements of {} are not read", type ? type->name : storage.name);
    const ZipRecord* record = find_record(records_, "data/" + std::string(key.text));
    if (!record) wrong("it has no record {}", in_quotes("data/" + std::string(key.text)));
    out_.storage = *record;
    uint64_t bytes = 0;
    const uint64_t width = type ? 1 : out_.type->bytes;  // an untyped storage states bytes
    if (__builtin_mul_overflow(static_cast<uint64_t>(count.integer), width, &bytes) || bytes != record->size)
      wrong("a storage of {} elements of torch.{} is stored in {} bytes", count.integer, out_.type->name, record->size);
    return count.integer / static_cast<int64_t>(type ? out_.type->bytes : 1);
  }

  std::vector<int64_t> integers(const Node& node, const char* what) const {
    // Sizes may also be a torch.Size.
    const Node* size = pickle_.call_of(node, "torch", "Size");
    const Node& tuple = size && size->items.size() == 1 ? pickle_.at(size->items[0]) : node;
    if (tuple.kind != Kind::kTuple || tuple.items.size() > kMostAxes) wrong("its {} are not a tuple of sizes", what);
    std::vector<int64_t> values;
    for (const Id id : tuple.items) {
      if (pickle_.at(id).kind != Kind::kInteger || pickle_.at(id).integer < 0) wrong("its {} are not a tuple of sizes", what);
      values.push_back(pickle_.at(id).integer);
    }
    return values;
  }

  void check_inside(uint64_t numel) const {
    if (out_.sizes.size() != out_.strides.size()) wrong("it has {} sizes and {} strides", out_.sizes.size(), out_.strides.size());
    uint64_t last = out_.first, count = 1;
    bool empty = false;
    for (size_t i = 0; i < out_.sizes.size(); ++i) {
      uint64_t step = 0;
      if (out_.sizes[i] == 0) {
        empty = true;
        continue;
      }
      if (__builtin_mul_overflow(static_cast<uint64_t>(out_.sizes[i] - 1), static_cast<uint64_t>(out_.strides[i]), &step) ||
          __builtin_add_overflow(last, step, &last) || __builtin_mul_overflow(count, static_cast<uint64_t>(out_.sizes[i]), &count))
        wrong("its sizes overflow");
    }
    if (!empty && last >= numel) wrong("it passes the {} elements of its storage", numel);
  }

  const Pickle& pickle_;
  const std::vector<ZipRecord>& records_;
  TorchTensor out_;
};

void check_byte_order(const Bytes& archive, const std::vector<ZipRecord>& records) {
  const ZipRecord* order = find_record(records, "byteorder");
  if (!order) return;
  if (const std::string text = read_record(archive, *order, 64); text != "little")
    fail("{}: its numbers are {}-endian, expected little-endian ones", archive.where, in_quotes(text));
}

}  // namespace

bool allowed_in_torch_save(std::string_view module, std::string_view name) {
  if (module == "torch") return name == "Size" || names_torch_type(name) || names_torch_storage(name);
  if (module == "torch._utils") return name == "_rebuild_tensor_v2" || name == "_rebuild_tensor_v3" || name == "_rebuild_parameter";
  if (module == "torch.storage") return name == "UntypedStorage";
  return module == "collections" && name == "OrderedDict";
}

TorchTensor read_torch_tensor(const Bytes& archive) {
  const std::vector<ZipRecord> records = read_zip(archive);
  check_byte_order(archive, records);
  const ZipRecord* data = find_record(records, "data.pkl");
  if (!data) fail("{}: this archive has no record data.pkl", archive.where);
  const std::string bytes = read_record(archive, *data, kLargestPickle);
  const Pickle pickle(bytes, allowed_in_torch_save, archive.where);
  return read_torch_tensor(pickle, pickle.root(), records);
}

TorchTensor read_torch_tensor(const Pickle& pickle, const Node& node, const std::vector<ZipRecord>& records) {
  return Reader(pickle, records).run(node);
}

void put_tensor(PickleWriter& p, const TorchType& type, const std::vector<int64_t>& sizes, const std::string& record) {
  std::vector<int64_t> strides(sizes.size());
  int64_t count = 1;
  for (size_t i = sizes.size(); i-- > 0; count *= sizes[i]) strides[i] = count;
  p.global("torch._utils", type.storage ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3").mark().mark().text("storage");
  p.global(type.storage ? "torch" : "torch.storage", type.storage ? type.storage : "UntypedStorage");
  p.text(record).text("cpu").integer(type.storage ? count : count * static_cast<int64_t>(type.bytes)).persistent();
  p.integer(0).integers(sizes).integers(strides).boolean(false).global("collections", "OrderedDict").mark().call();
  if (!type.storage) p.global("torch", type.name);
  p.call();
}

std::string tensor_pickle(const TorchType& type, const std::vector<int64_t>& sizes, bool in_list) {
  PickleWriter p;
  if (in_list) p.list();
  put_tensor(p, type, sizes, "0");
  if (in_list) p.end_list();
  return std::move(p).finish();
}

}  // namespace corral::megatron
