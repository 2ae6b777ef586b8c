#include "plugins/checkpoint/megatron/metadata.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "corral/error.h"
#include "plugins/checkpoint/common/element_type.h"
#include "plugins/checkpoint/megatron/pickle.h"
#include "plugins/checkpoint/megatron/pickle_writer.h"

namespace corral::megatron {
namespace {
using safetensors::in_quotes;
constexpr char kModule[] = "torch.distributed.checkpoint.metadata", kFiles[] = "torch.distributed.checkpoint.filesystem";
constexpr size_t kMostAxes = 16;
constexpr uint64_t kMostComparisons = 50'000'000;

bool allowed(std::string_view module, std::string_view name) {
  static const std::map<std::string_view, std::vector<std::string_view>> kGlobals = {
      {kModule,
       {"Metadata", "TensorStorageMetadata", "TensorProperties", "ChunkStorageMetadata", "BytesStorageMetadata", "MetadataIndex",
        "StorageMeta", "_MEM_FORMAT_ENCODING"}},
      {kFiles, {"_StorageInfo"}},
      {"torch.distributed.checkpoint.planner", {"SavePlan", "WriteItem", "TensorWriteData", "WriteItemType"}},
      {"torch.serialization", {"_get_layout"}},
      {"pathlib", {"PosixPath", "WindowsPath"}},
      {"pathlib._local", {"PosixPath", "WindowsPath"}},
      {"collections", {"OrderedDict"}},
      {"megatron.core.dist_checkpointing.strategies.torch", {"MCoreMetadata", "MCoreSavePlan"}},
  };
  if (module == "torch") return name == "Size" || names_torch_type(name);
  const auto at = kGlobals.find(module);
  return at != kGlobals.end() && std::find(at->second.begin(), at->second.end(), name) != at->second.end();
}

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& where) : pickle_(bytes, allowed, where) {}

  Metadata run() {
    const Node& root = state(pickle_.root(), "the whole", {"Metadata", "MCoreMetadata"});
    read_tensors(dict(root, "state_dict_metadata"));
    read_places(dict(root, "storage_data"));
    for (const DistTensor& t : out_.tensors)
      for (size_t i = 0; i < t.chunks.size(); ++i)
        if (t.chunks[i].item.length == 0) wrong("tensor {}: piece {} has no location", in_quotes(t.name), i);
    for (const ByteObject& o : out_.objects)
      if (o.item.length == 0) wrong("object {} has no location", in_quotes(o.name));
    return std::move(out_);
  }

 private:
  template <class... Values>
  [[noreturn]] void wrong(std::string_view text, const Values&... values) const {
    fail("{}: {}", pickle_.where(), format(text, values...));
  }

  const Node& at(Id id) const { return pickle_.at(id); }

  // The state dict of an object of one of these classes.
  const Node& state(const Node& node, const std::string& what, std::initializer_list<std::string_view> classes) const {
    if (node.kind == Kind::kCall && node.state != kNoState && at(node.state).kind == Kind::kDict)
      for (const std::string_view name : classes)
        if (at(node.items[0]).name == name) return at(node.state);
    wrong("{} is not an object of {}", what, *classes.begin());
  }
  const Node& dict(const Node& of, std::string_view key) const {
    const Node* found = pickle_.find(of, key);
    if (!found || found->kind != Kind::kDict) wrong("it has no dict {}", key);
    return *found;
  }
  const Node& member(const Node& of, std::string_view key, Kind kind, const std::string& what) const {
    const Node* found = pickle_.find(of, key);
    if (!found || found->kind != kind) wrong("{}: {} is missing or of another type", what, key);
    return *found;
  }

  std::vector<int64_t> size(const Node* node, const std::string& what) const {
    const Node* arguments = node ? pickle_.call_of(*node, "torch", "Size") : nullptr;
    if (!arguments || arguments->items.size() != 1 || at(arguments->items[0]).kind != Kind::kTuple) wrong("{} is not a torch.Size", what);
    std::vector<int64_t> sizes;
    for (const Id id : at(arguments->items[0]).items) {
      if (at(id).kind != Kind::kInteger || at(id).integer < 0) wrong("{} has a size that is not a count", what);
      sizes.push_back(at(id).integer);
    }
    if (sizes.size() > kMostAxes) wrong("{} has {} axes, expected at most {}", what, sizes.size(), kMostAxes);
    return sizes;
  }

  const TorchType* type_of(const Node& tensor, const std::string& what) const {
    const Node* properties = pickle_.find(tensor, "properties");
    if (!properties || properties->kind != Kind::kCall || properties->state == kNoState || at(properties->state).kind != Kind::kTuple)
      wrong("{} has no properties", what);
    const std::vector<Id>& items = at(properties->state).items;
    if (items.size() < 5) wrong("{} has {} properties, expected 5 or 6", what, items.size());
    const Node& type = at(items[0]);
    if (type.kind != Kind::kGlobal || type.text != "torch") wrong("{} has no element type", what);
    const Node* layout = pickle_.call_of(at(items[1]), "torch.serialization", "_get_layout");
    if (!layout || layout->items.size() != 1 || at(layout->items[0]).text != "torch.strided") wrong("{} is not torch.strided", what);
    const TorchType* known = torch_type(type.name);
    if (!known) wrong("{} has elements of torch.{}, which are not read", what, type.name);
    return known;
  }

  void read_tensors(const Node& tensors) {
    for (size_t i = 0; i < tensors.items.size(); i += 2) {
      const Node &key = at(tensors.items[i]), &value = at(tensors.items[i + 1]);
      if (key.kind != Kind::kText) wrong("a key of state_dict_metadata is not a string");
      const std::string name(key.text), what = "tensor " + in_quotes(name);
      if (!numbers_.emplace(name, out_.tensors.size()).second || objects_.contains(name)) wrong("{} appears twice", what);
      if (value.kind == Kind::kCall && pickle_.is_global(at(value.items[0]), kModule, "BytesStorageMetadata")) {
        numbers_.erase(name);
        objects_.emplace(name, out_.objects.size());
        out_.objects.push_back({name, {}});
        continue;
      }
      const Node& own = state(value, what, {"TensorStorageMetadata"});
      DistTensor t;
      t.name = name;
      t.type = type_of(own, what);
      t.shape = size(pickle_.find(own, "size"), what);
      for (const Id id : member(own, "chunks", Kind::kList, what).items) {
        const Node& chunk = state(at(id), "a piece of " + what, {"ChunkStorageMetadata"});
        t.chunks.push_back({size(pickle_.find(chunk, "offsets"), what), size(pickle_.find(chunk, "sizes"), what), {}});
      }
      check_cover(t, what);
      out_.tensors.push_back(std::move(t));
    }
  }

  uint64_t count(const std::vector<int64_t>& sizes, const std::string& what) const {
    // The sizes of an empty tensor must not overflow either.
    uint64_t all = 1, product = 1;
    for (const int64_t n : sizes)
      if (product *= static_cast<uint64_t>(n);
          __builtin_mul_overflow(all, static_cast<uint64_t>(std::max<int64_t>(n, 1)), &all) || all >> 60 != 0)
        wrong("{} has more elements than can be", what);
    return product;
  }

  // Checks that the pieces are inside the tensor, do not overlap and have as many elements as the tensor.
  void check_cover(const DistTensor& t, const std::string& what) {
    uint64_t filled = 0;
    for (const Chunk& c : t.chunks) {
      if (c.offsets.size() != t.shape.size() || c.sizes.size() != t.shape.size()) wrong("{} has a piece of another number of axes", what);
      for (size_t a = 0; a < t.shape.size(); ++a)
        if (c.offsets[a] > t.shape[a] || c.sizes[a] > t.shape[a] - c.offsets[a]) wrong("{} has a piece outside of its shape", what);
      if (__builtin_add_overflow(filled, count(c.sizes, what), &filled)) wrong("{} has pieces that overlap", what);
    }
    if (const uint64_t whole = count(t.shape, what); filled != whole) wrong("{}: its pieces have {} of {} elements", what, filled, whole);
    std::vector<const Chunk*> order;
    for (const Chunk& c : t.chunks)
      if (count(c.sizes, what) > 0) order.push_back(&c);
    if (order.size() < 2) return;
    if (t.shape.empty()) wrong("{} has pieces that overlap", what);
    std::sort(order.begin(), order.end(), [](const Chunk* a, const Chunk* b) { return a->offsets < b->offsets; });
    std::vector<const Chunk*> open;
    for (const Chunk* c : order) {
      std::erase_if(open, [&](const Chunk* o) { return o->offsets[0] + o->sizes[0] <= c->offsets[0]; });
      if ((comparisons_ += open.size()) > kMostComparisons) wrong("its tensors are cut into more pieces than can be compared");
      for (const Chunk* o : open)
        if (overlap(*o, *c)) wrong("{} has pieces that overlap", what);
      open.push_back(c);
    }
  }
  static bool overlap(const Chunk& a, const Chunk& b) {
    for (size_t i = 0; i < a.sizes.size(); ++i)
      if (a.offsets[i] >= b.offsets[i] + b.sizes[i] || b.offsets[i] >= a.offsets[i] + a.sizes[i]) return false;
    return true;
  }

  void read_places(const Node& places) {
    std::vector<std::map<std::vector<int64_t>, size_t>> chunks(out_.tensors.size());
    for (size_t t = 0; t < chunks.size(); ++t)
      for (size_t i = 0; i < out_.tensors[t].chunks.size(); ++i) chunks[t].emplace(out_.tensors[t].chunks[i].offsets, i);
    for (size_t i = 0; i < places.items.size(); i += 2) {
      const Node& index = state(at(places.items[i]), "a key of storage_data", {"MetadataIndex"});
      const Node& info = state(at(places.items[i + 1]), "a value of storage_data", {"_StorageInfo"});
      const std::string name(member(index, "fqn", Kind::kText, "a key of storage_data").text), what = in_quotes(name);
      const Node* offset = pickle_.find(index, "offset");
      Item* item = nullptr;
      if (!offset || offset->kind == Kind::kNone) {
        const auto object = objects_.find(name);
        if (object != objects_.end()) item = &out_.objects[object->second].item;
      } else if (const auto tensor = numbers_.find(name); tensor != numbers_.end()) {
        const auto chunk = chunks[tensor->second].find(size(offset, what));
        if (chunk != chunks[tensor->second].end()) item = &out_.tensors[tensor->second].chunks[chunk->second].item;
      }
      if (!item) wrong("storage_data locates a piece of {} that state_dict_metadata does not have", what);
      if (item->length != 0) wrong("storage_data locates one piece of {} twice", what);
      *item = place(info, what);
    }
  }

  Item place(const Node& info, const std::string& what) {
    if (const Node* transforms = pickle_.find(info, "transform_descriptors");
        transforms && transforms->kind != Kind::kNone && !transforms->items.empty())
      wrong("{} is stored in a transformed form, which is not read: save it without", what);
    const std::string_view path = member(info, "relative_path", Kind::kText, what).text;
    const bool plain = !path.empty() && path.front() != '.' && path.ends_with(".distcp") &&
                       path.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
    if (!plain) wrong("{} is in {}: expected the plain name of a .distcp file", what, in_quotes(path));
    const int64_t offset = member(info, "offset", Kind::kInteger, what).integer,
                  length = member(info, "length", Kind::kInteger, what).integer;
    if (offset < 0 || length <= 0) wrong("{} is at {}, {} bytes long", what, offset, length);
    const auto [file, first] = files_.emplace(std::string(path), static_cast<uint32_t>(out_.files.size()));
    if (first) out_.files.emplace_back(path);
    return {file->second, static_cast<uint64_t>(offset), static_cast<uint64_t>(length)};
  }

  Pickle pickle_;
  Metadata out_;
  std::unordered_map<std::string, size_t> numbers_, objects_;
  std::map<std::string, uint32_t> files_;
  uint64_t comparisons_ = 0;
};

void put_size(PickleWriter& p, const std::vector<int64_t>& sizes) { p.global("torch", "Size").mark().integers(sizes).call(); }

void put_place(PickleWriter& p, const Metadata& m, const std::string& name, const std::vector<int64_t>* offsets, const Item& item) {
  p.object(kModule, "MetadataIndex").dict().text("fqn").text(name).text("offset");
  if (offsets)
    put_size(p, *offsets);
  else
    p.none();
  p.text("index").none().end_dict().build();
  p.object(kFiles, "_StorageInfo").dict().text("relative_path").text(m.files[item.file]);
  p.text("offset").integer(static_cast<int64_t>(item.offset)).text("length").integer(static_cast<int64_t>(item.length)).end_dict().build();
}

}  // namespace

Metadata read_metadata(std::string_view bytes, const std::string& where) { return Reader(bytes, where).run(); }

std::string write_metadata(const Metadata& m) {
  PickleWriter p;
  p.object(kModule, "Metadata").dict().text("state_dict_metadata").dict();
  for (const DistTensor& t : m.tensors) {
    p.text(t.name).object(kModule, "TensorStorageMetadata").dict();
    // Five properties: torch releases with a sixth also load five; older ones do not load six.
    p.text("properties").object(kModule, "TensorProperties").mark().global("torch", t.type->name);
    p.global("torch.serialization", "_get_layout").mark().text("torch.strided").call().boolean(false);
    p.global(kModule, "_MEM_FORMAT_ENCODING").mark().integer(0).call().boolean(false).tuple().build();
    p.text("size");
    put_size(p, t.shape);
    p.text("chunks").list();
    for (const Chunk& c : t.chunks) {
      p.object(kModule, "ChunkStorageMetadata").dict().text("offsets");
      put_size(p, c.offsets);
      p.text("sizes");
      put_size(p, c.sizes);
      p.end_dict().build();
    }
    p.end_list().end_dict().build();
  }
  for (const ByteObject& o : m.objects) p.text(o.name).object(kModule, "BytesStorageMetadata");
  p.end_dict().text("planner_data").none().text("storage_data").dict();
  for (const DistTensor& t : m.tensors)
    for (const Chunk& c : t.chunks) put_place(p, m, t.name, &c.offsets, c.item);
  for (const ByteObject& o : m.objects) put_place(p, m, o.name, nullptr, o.item);
  p.end_dict().text("storage_meta").object(kModule, "StorageMeta").dict();
  p.text("checkpoint_id").none().text("save_id").none().text("load_id").none().text("modules").list().end_list().end_dict().build();
  p.text("version").text("1.0.0").end_dict().build();
  return std::move(p).finish();
}

}  // namespace corral::megatron
