#include "kernel/checkpoint/weight_map.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>
#include <utility>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"
#include "kernel/checkpoint/strided.h"
#include "kernel/checkpoint/tasks.h"

namespace corral::checkpoint {
namespace {
using Kind = WeightEntry_Kind;
using Numbers = std::unordered_map<std::string, size_t>;

Numbers numbered(const std::vector<TensorInfo>& tensors) {
  Numbers numbers;
  for (size_t i = 0; i < tensors.size(); ++i) numbers.emplace(tensors[i].name, i);
  return numbers;
}

size_t number_of(const Numbers& numbers, const std::string& name, const char* role) {
  const auto at = numbers.find(name);
  if (at == numbers.end()) fail_bug("weight map: an entry names {} {}, which is not declared", role, name);
  return at->second;
}

bool same_view(const View& a, const View& b) {
  return a.tensor == b.tensor && a.offset == b.offset && a.sizes == b.sizes && a.strides == b.strides;
}

// The external view from which a copy's parameter is read.
const View& stored_once(const WeightMap& map, const WeightEntry& copy) {
  for (const WeightEntry& e : map.entries)
    if (e.kind == Kind::PAIR && same_view(e.parameter, copy.parameter)) return e.external;
  fail_bug("weight map: {} is a copy of a view of {} that no pair stores", copy.external.tensor, copy.parameter.tensor);
}

// Whether an external tensor is made only of copies, by its number in map.externals.
std::vector<bool> only_copies(const WeightMap& map) {
  const Numbers numbers = numbered(map.externals);
  std::vector<bool> copies(map.externals.size(), true);
  for (const WeightEntry& e : map.entries)
    if (e.kind != Kind::COPY) copies[number_of(numbers, e.external.tensor, "external tensor")] = false;
  return copies;
}

void check_cover(const TensorInfo& tensor, std::vector<Range> ranges, const char* role) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  int64_t filled = 0;
  for (const Range& r : ranges) {
    if (r.begin < filled) fail_bug("weight map: element {} of {} {} is covered twice", r.begin, role, tensor.name);
    if (r.begin > filled) break;
    filled = r.end;
  }
  if (filled < element_count(tensor.shape)) fail_bug("weight map: element {} of {} {} is covered by no entry", filled, role, tensor.name);
}

std::vector<std::string> names(const std::vector<TensorInfo>& tensors) {
  std::vector<std::string> all;
  for (const TensorInfo& t : tensors) all.push_back(t.name);
  return all;
}

// Converts a tile's bytes to the type of the other side.
const char* converted(const char* data, DType from, DType to, int64_t count, std::vector<char>& buffer) {
  if (from == to) return data;
  buffer.resize(static_cast<uint64_t>(count) * element_bytes(to));
  convert(from, data, to, buffer.data(), static_cast<uint64_t>(count));
  return buffer.data();
}

// Collects the pairs of views that are to be moved, in either direction, then moves them.
class Mover {
 public:
  Mover(TensorSource& source, TensorSink& sink, uint64_t buffer_bytes)
      : source_(source), sink_(sink), from_(numbered(source.tensors())), to_(numbered(sink.tensors())), buffer_bytes_(buffer_bytes) {}

  bool has_sink(const std::string& name) const { return to_.contains(name); }

  void move(const View& from, const View& to) {
    const size_t a = number_of(from_, from.tensor, "tensor"), b = number_of(to_, to.tensor, "tensor");
    const DType from_type = source_.tensors()[a].dtype, to_type = sink_.tensors()[b].dtype;
    for_each_tile(from, to, largest(std::max(element_bytes(from_type), element_bytes(to_type))), [&](const Tile& tile) {
      tasks_.push_back([this, a, b, from_type, to_type, tile] { move_tile(a, from_type, b, to_type, tile); });
    });
  }

  void fill(const View& to, double value) {
    const size_t b = number_of(to_, to.tensor, "tensor");
    const uint64_t bytes = element_bytes(sink_.tensors()[b].dtype);
    for (const Range& r : covered(to))
      for (int64_t at = r.begin; at < r.end;) {
        const int64_t count = std::min(r.end - at, largest(bytes));
        tasks_.push_back([this, b, at, count, value] { fill_range(b, at, count, value); });
        at += count;
      }
  }

  void run() { run_tasks(tasks_, source_.concurrent() && sink_.concurrent()); }

 private:
  int64_t largest(uint64_t bytes) const { return static_cast<int64_t>(std::max<uint64_t>(1, buffer_bytes_ / bytes)); }

  void move_tile(size_t a, DType from_type, size_t b, DType to_type, const Tile& tile) {
    thread_local TileBuffer buffer;
    thread_local std::vector<char> other;
    const uint64_t from_bytes = element_bytes(from_type), to_bytes = element_bytes(to_type);
    buffer.gather(tile, source_, a, from_bytes);
    buffer.scatter(tile, from_bytes, [&](int64_t place, const char* data, int64_t count) {
      sink_.write(b, static_cast<uint64_t>(place) * to_bytes, converted(data, from_type, to_type, count, other),
                  static_cast<uint64_t>(count) * to_bytes);
    });
  }

  void fill_range(size_t b, int64_t first, int64_t count, double value) {
    const DType type = sink_.tensors()[b].dtype;
    const float number = static_cast<float>(value);
    const uint64_t bytes = element_bytes(type);
    std::vector<char> one(bytes), many(static_cast<uint64_t>(count) * bytes);
    // +0 has zero bits in every type; other values are converted.
    if (value != 0) convert(DType::F32, &number, type, one.data(), 1);
    for (int64_t i = 0; value != 0 && i < count; ++i) std::memcpy(many.data() + static_cast<uint64_t>(i) * bytes, one.data(), bytes);
    sink_.write(b, static_cast<uint64_t>(first) * bytes, many.data(), many.size());
  }

  TensorSource& source_;
  TensorSink& sink_;
  Numbers from_, to_;
  uint64_t buffer_bytes_;
  std::vector<std::function<void()>> tasks_;
};

// Throws unless two views of one source contain the same values.
void check_equal(TensorSource& source, const View& a, const View& b, uint64_t buffer_bytes) {
  const Numbers numbers = numbered(source.tensors());
  const size_t i = numbers.at(a.tensor), j = numbers.at(b.tensor);
  const DType type = source.tensors()[i].dtype, other = source.tensors()[j].dtype;
  if (type != other)
    fail("tensor {} is {}, but must equal {}, which is {}: this model stores them once", a.tensor, dtype_name(type), b.tensor,
         dtype_name(other));
  const uint64_t bytes = element_bytes(type);
  TileBuffer mine, theirs;
  for_each_tile(b, a, static_cast<int64_t>(std::max<uint64_t>(1, buffer_bytes / bytes)), [&](const Tile& tile) {
    theirs.gather(tile, source, j, bytes);
    Tile own = tile;
    own.from_offset = tile.to_offset;
    own.from_strides = tile.to_strides;
    mine.gather(own, source, i, bytes);
    std::vector<const char*> runs;
    theirs.scatter(tile, bytes, [&](int64_t, const char* data, int64_t) { runs.push_back(data); });
    size_t run = 0;
    mine.scatter(own, bytes, [&](int64_t place, const char* data, int64_t count) {
      const char* expected = runs[run++];
      if (std::memcmp(data, expected, static_cast<uint64_t>(count) * bytes) == 0) return;
      int64_t at = 0;
      while (std::memcmp(data + static_cast<uint64_t>(at) * bytes, expected + static_cast<uint64_t>(at) * bytes, bytes) == 0) ++at;
      fail(
          "tensor {} differs from {} at element {}, but the model has one for both: tied by its configuration, or shared by the parts of "
          "a fused layer, and two that differ cannot become one",
          a.tensor, b.tensor, place + at);
    });
  });
}

}  // namespace

void check_weight_map(const WeightMap& map, const std::vector<TensorInfo>& parameters) {
  const Numbers externals = numbered(map.externals), own = numbered(parameters);
  if (externals.size() != map.externals.size()) fail_bug("weight map: an external tensor is declared twice");
  std::vector<std::vector<Range>> external_ranges(map.externals.size()), parameter_ranges(parameters.size());
  const auto add = [](std::vector<Range>& to, const View& view) {
    const std::vector<Range> more = covered(view);
    to.insert(to.end(), more.begin(), more.end());
  };
  for (const WeightEntry& e : map.entries) {
    const size_t x = number_of(externals, e.external.tensor, "external tensor");
    check_view(e.external, map.externals[x], "external tensor");
    add(external_ranges[x], e.external);
    if (e.kind == Kind::FILL) continue;
    const size_t p = number_of(own, e.parameter.tensor, "parameter");
    check_view(e.parameter, parameters[p], "parameter");
    if (e.external.sizes != e.parameter.sizes)
      fail_bug("weight map: views of {} and {} have sizes {} and {}, expected equal ones", e.external.tensor, e.parameter.tensor,
               shape_text(e.external.sizes), shape_text(e.parameter.sizes));
    if (e.kind == Kind::COPY || e.kind == Kind::REPEAT)
      stored_once(map, e);
    else
      add(parameter_ranges[p], e.parameter);
  }
  for (size_t i = 0; i < map.externals.size(); ++i) check_cover(map.externals[i], std::move(external_ranges[i]), "external tensor");
  for (size_t i = 0; i < parameters.size(); ++i) check_cover(parameters[i], std::move(parameter_ranges[i]), "parameter");
}

void check_externals(const WeightMap& map, const std::vector<TensorInfo>& externals) {
  const Numbers there = numbered(externals), known = numbered(map.externals);
  const std::vector<bool> optional = only_copies(map);
  for (size_t i = 0; i < map.externals.size(); ++i) {
    const TensorInfo& expected = map.externals[i];
    const auto at = there.find(expected.name);
    if (at == there.end()) {
      if (optional[i]) continue;
      fail("the checkpoint has no tensor \"{}\", which the model needs{}", expected.name, did_you_mean(expected.name, names(externals)));
    }
    const TensorInfo& found = externals[at->second];
    if (found.shape != expected.shape)
      fail("tensor \"{}\"{} has shape {}, but the model's configuration needs {}", found.name,
           found.file.empty() ? "" : " of " + found.file, shape_text(found.shape), shape_text(expected.shape));
  }
  for (const TensorInfo& t : externals)
    if (t.part.empty() && !known.contains(t.name))
      fail("tensor \"{}\"{} belongs to no parameter of the model{}", t.name, t.file.empty() ? "" : " of " + t.file,
           did_you_mean(t.name, names(map.externals)));
}

std::vector<TensorInfo> stored_types(const WeightMap& map, const std::vector<TensorInfo>& externals, std::vector<TensorInfo> parameters) {
  const Numbers there = numbered(externals), own = numbered(parameters);
  std::map<size_t, const TensorInfo*> seen;
  for (const WeightEntry& e : map.entries) {
    if (e.kind != Kind::PAIR) continue;
    const size_t p = number_of(own, e.parameter.tensor, "parameter");
    const TensorInfo& x = externals[number_of(there, e.external.tensor, "external tensor")];
    const auto [at, first] = seen.emplace(p, &x);
    if (!first && at->second->dtype != x.dtype)
      fail("tensors \"{}\" and \"{}\" are parts of one parameter, but are {} and {}: expected one type", at->second->name, x.name,
           dtype_name(at->second->dtype), dtype_name(x.dtype));
    parameters[p].dtype = x.dtype;
  }
  return parameters;
}

std::unordered_set<std::string> parameters_in(const WeightMap& map) {
  std::unordered_set<std::string> names;
  for (const WeightEntry& e : map.entries)
    if (e.kind != Kind::FILL) names.insert(e.parameter.tensor);
  return names;
}

std::vector<TensorInfo> written_externals(const WeightMap& map, const std::vector<TensorInfo>& parameters) {
  const Numbers externals = numbered(map.externals), own = numbered(parameters);
  const std::vector<bool> copies = only_copies(map);
  std::vector<TensorInfo> all = map.externals;
  std::vector<DType> declared;
  for (TensorInfo& t : all) declared.push_back(std::exchange(t.dtype, DType::DTYPE_NONE));
  DType any = DType::F32;
  for (const WeightEntry& e : map.entries) {
    if (e.kind == Kind::FILL) continue;
    TensorInfo& t = all[number_of(externals, e.external.tensor, "external tensor")];
    const DType type = any = parameters[number_of(own, e.parameter.tensor, "parameter")].dtype;
    if (t.dtype != DType::DTYPE_NONE && t.dtype != type)
      fail("tensor \"{}\" is made of parameters of two types, {} and {}", t.name, dtype_name(t.dtype), dtype_name(type));
    t.dtype = type;
  }
  std::vector<TensorInfo> written;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].dtype == DType::DTYPE_NONE) all[i].dtype = declared[i] == DType::DTYPE_NONE ? any : declared[i];  // padding only
    if (!copies[i]) written.push_back(std::move(all[i]));
  }
  return written;
}

void check_copies(const WeightMap& map, TensorSource& externals, uint64_t buffer_bytes) {
  for (const WeightEntry& e : map.entries)
    if ((e.kind == Kind::COPY || e.kind == Kind::REPEAT) &&
        find_tensor(externals.tensors(), e.external.tensor) < externals.tensors().size())
      check_equal(externals, e.external, stored_once(map, e), buffer_bytes);
}

void read_parameters(const WeightMap& map, TensorSource& externals, TensorSink& parameters, uint64_t buffer_bytes) {
  Mover mover(externals, parameters, buffer_bytes);
  for (const WeightEntry& e : map.entries)
    if (e.kind == Kind::PAIR) mover.move(e.external, e.parameter);
  mover.run();
  check_copies(map, externals, buffer_bytes);
}

void write_externals(const WeightMap& map, TensorSource& parameters, TensorSink& externals, uint64_t buffer_bytes) {
  Mover mover(parameters, externals, buffer_bytes);
  for (const WeightEntry& e : map.entries) {
    if (!mover.has_sink(e.external.tensor)) continue;  // only copies
    if (e.kind == Kind::FILL)
      mover.fill(e.external, e.value);
    else
      mover.move(e.parameter, e.external);
  }
  mover.run();
}

}  // namespace corral::checkpoint
