#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "checkpoint_memory_tensors.h"
#include "corral/error.h"
#include "kernel/checkpoint/mapped_parameters.h"
#include "kernel/checkpoint/strided.h"
#include "kernel/checkpoint/weight_map.h"

namespace corral::checkpoint {
namespace {
using Kind = WeightEntry_Kind;

View view(const std::string& name, int64_t offset, std::vector<int64_t> sizes, std::vector<int64_t> strides) {
  View v;
  v.tensor = name;
  v.offset = offset;
  v.sizes = std::move(sizes);
  v.strides = std::move(strides);
  return v;
}

WeightEntry entry(View external, View parameter, Kind kind = Kind::PAIR, double value = 0) {
  WeightEntry e;
  e.kind = kind;
  e.external = std::move(external);
  e.parameter = std::move(parameter);
  e.value = value;
  return e;
}

template <class F>
std::string message(F&& f, int exit_code) {
  try {
    f();
    return "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), exit_code) << e.what();
    return e.what();
  }
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A random weight map. Externals are cut into boxes; each box is padding or part of a parameter, with its axes in any order, dense or in
// every other element.
struct RandomMap {
  WeightMap map;
  std::vector<TensorInfo> parameters;
  std::mt19937 random;

  explicit RandomMap(unsigned seed) : random(seed) {
    parameters = {tensor("p0", {0}), tensor("p1", {0}), tensor("p2", {0})};
    const int externals = 1 + pick(4);
    for (int x = 0; x < externals; ++x) {
      std::vector<int64_t> shape(static_cast<size_t>(pick(4)));
      for (int64_t& n : shape) n = 1 + pick(7);
      map.externals.push_back(tensor("x" + std::to_string(x), shape));
      std::vector<int64_t> begin(shape.size(), 0);
      boxes(TensorInfo(map.externals.back()), begin, shape, 3);  // a copy, as boxes() adds to the list
    }
    std::erase_if(parameters, [](const TensorInfo& t) { return t.shape[0] == 0; });
    std::shuffle(map.entries.begin(), map.entries.end(), random);
  }
  int64_t pick(int64_t n) { return static_cast<int64_t>(random() % static_cast<unsigned>(n)); }

  void boxes(const TensorInfo& x, const std::vector<int64_t>& begin, const std::vector<int64_t>& sizes, int depth) {
    const size_t axis = sizes.empty() ? 0 : static_cast<size_t>(pick(static_cast<int64_t>(sizes.size())));
    if (depth == 0 || sizes.empty() || sizes[axis] < 2 || pick(4) == 0) return place(x, begin, sizes);
    std::vector<int64_t> low = sizes, high = sizes, middle = begin;
    low[axis] = 1 + pick(sizes[axis] - 1);
    high[axis] -= low[axis];
    middle[axis] += low[axis];
    boxes(x, begin, low, depth - 1);
    boxes(x, middle, high, depth - 1);
  }

  void place(const TensorInfo& x, const std::vector<int64_t>& begin, const std::vector<int64_t>& sizes) {
    View external = whole_view(x);
    for (size_t i = 0; i < sizes.size(); ++i) external.offset += begin[i] * external.strides[i];
    external.sizes = sizes;
    if (pick(6) == 0) {
      map.entries.push_back(entry(external, {}, Kind::FILL, 0.5));
      return;
    }
    TensorInfo& p = parameters[static_cast<size_t>(pick(3))];
    std::vector<size_t> order(sizes.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::shuffle(order.begin(), order.end(), random);
    const int64_t step = pick(4) == 0 ? 2 : 1;
    View parameter = view(p.name, p.shape[0], sizes, std::vector<int64_t>(sizes.size()));
    int64_t count = 1;
    for (const size_t axis : order) {
      parameter.strides[axis] = count * step;
      count *= sizes[axis];
    }
    map.entries.push_back(entry(external, parameter));
    if (step == 2) {  // the elements between belong to another tensor
      map.externals.push_back(tensor("between" + std::to_string(map.externals.size()), {count}));
      map.entries.push_back(entry(whole_view(map.externals.back()), view(p.name, p.shape[0] + 1, {count}, {2})));
    }
    p.shape[0] += count * step;
  }
};

// The same as read_parameters, one element at a time.
void slowly(const WeightEntry& e, const MemoryTensors& externals, MemoryTensors& parameters) {
  const std::vector<float> from = externals.values<float>(e.external.tensor);
  std::vector<float> to = parameters.values<float>(e.parameter.tensor);
  int64_t count = 1;
  for (const int64_t n : e.external.sizes) count *= n;
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i, a = e.external.offset, b = e.parameter.offset;
    for (size_t axis = e.external.sizes.size(); axis-- > 0; rest /= e.external.sizes[axis]) {
      a += rest % e.external.sizes[axis] * e.external.strides[axis];
      b += rest % e.external.sizes[axis] * e.parameter.strides[axis];
    }
    to[static_cast<size_t>(b)] = from[static_cast<size_t>(a)];
  }
  parameters.set(e.parameter.tensor, to);
}

TEST(WeightMap, RandomMapsGiveEveryElementItsPlaceInBothDirectionsWithASmallBuffer) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    RandomMap r(seed);
    SCOPED_TRACE(seed);
    ASSERT_NO_THROW(check_weight_map(r.map, r.parameters));
    const uint64_t buffer = 4 * static_cast<uint64_t>(1 + r.pick(12));
    MemoryTensors externals(r.map.externals), parameters(r.parameters), expected(r.parameters),
        back(written_externals(r.map, r.parameters));
    for (size_t i = 0; i < externals.bytes.size(); ++i) {
      std::vector<float> values(externals.bytes[i].size() / 4);
      for (float& v : values) v = static_cast<float>(r.pick(1 << 20));
      externals.set(r.map.externals[i].name, values);
    }
    for (const WeightEntry& e : r.map.entries)
      if (e.kind == Kind::FILL) {
        std::vector<float> values = externals.values<float>(e.external.tensor);
        for (const Range& range : covered(e.external)) std::fill(values.begin() + range.begin, values.begin() + range.end, 0.5f);
        externals.set(e.external.tensor, values);
      }
    for (const WeightEntry& e : r.map.entries)
      if (e.kind == Kind::PAIR) slowly(e, externals, expected);
    read_parameters(r.map, externals, parameters, buffer);
    EXPECT_EQ(parameters.bytes, expected.bytes);
    EXPECT_LE(externals.largest, buffer);
    EXPECT_LE(parameters.largest, buffer);
    MappedParameters mapped(r.map, externals, r.parameters);
    for (size_t i = 0; i < r.parameters.size(); ++i) {
      const uint64_t size = parameters.bytes[i].size(), from = 4 * static_cast<uint64_t>(r.pick(static_cast<int64_t>(size / 4)));
      std::vector<char> slice(4 * static_cast<uint64_t>(r.pick(static_cast<int64_t>((size - from) / 4) + 1)), static_cast<char>(0xee));
      mapped.read(i, from, slice.data(), slice.size());
      EXPECT_TRUE(std::equal(slice.begin(), slice.end(), parameters.bytes[i].begin() + static_cast<std::ptrdiff_t>(from))) << from;
    }
    write_externals(r.map, parameters, back, buffer);
    EXPECT_EQ(back.bytes, externals.bytes);
    EXPECT_LE(back.largest, buffer);
  }
}

TEST(WeightMap, AGapOrAnOverlapIsRefusedNamingTheTensor) {
  int gaps = 0, overlaps = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    RandomMap r(seed);
    SCOPED_TRACE(seed);
    const size_t i = static_cast<size_t>(r.pick(static_cast<int64_t>(r.map.entries.size())));
    WeightMap gap = r.map, overlap = r.map;
    gap.entries.erase(gap.entries.begin() + static_cast<std::ptrdiff_t>(i));
    overlap.entries.push_back(r.map.entries[i]);
    const std::string& name = r.map.entries[i].external.tensor;
    const std::string gap_text = message([&] { check_weight_map(gap, r.parameters); }, 4);
    EXPECT_TRUE(has(gap_text, "external tensor " + name + " is covered by no entry")) << gap_text;
    const std::string overlap_text = message([&] { check_weight_map(overlap, r.parameters); }, 4);
    EXPECT_TRUE(has(overlap_text, "external tensor " + name + " is covered twice")) << overlap_text;
    gaps += has(gap_text, "no entry");
    overlaps += has(overlap_text, "twice");
  }
  EXPECT_EQ(gaps, 100);
  EXPECT_EQ(overlaps, 100);
}

TEST(WeightMap, ParametersAreCoveredToo) {
  WeightMap map;
  map.externals = {tensor("x", {4}), tensor("y", {4})};
  map.entries = {entry(whole_view(map.externals[0]), view("p", 0, {4}, {1})), entry(whole_view(map.externals[1]), view("p", 4, {4}, {1}))};
  EXPECT_NO_THROW(check_weight_map(map, {tensor("p", {8})}));
  EXPECT_TRUE(has(message([&] { check_weight_map(map, {tensor("p", {9})}); }, 4), "element 8 of parameter p is covered by no entry"));
  EXPECT_TRUE(has(message([&] { check_weight_map(map, {tensor("p", {8}), tensor("q", {1})}); }, 4), "parameter q is covered by no entry"));
  map.entries[1].parameter.offset = 3;
  EXPECT_TRUE(has(message([&] { check_weight_map(map, {tensor("p", {8})}); }, 4), "element 3 of parameter p is covered twice"));
  map.entries[1].parameter.offset = 5;
  EXPECT_TRUE(has(message([&] { check_weight_map(map, {tensor("p", {8})}); }, 4), "leaves its shape [8]"));
}

TEST(WeightMap, ImpossibleViewsAreRefused) {
  const auto text = [](const View& v) {
    WeightMap map;
    map.externals = {tensor("x", {2, 3})};
    map.entries = {entry(v, view("p", 0, v.sizes, {3, 1}))};
    return message([&] { check_weight_map(map, {tensor("p", {2, 3})}); }, 4);
  };
  EXPECT_EQ(text(view("x", 0, {2, 3}, {3, 1})), "accepted");
  EXPECT_TRUE(has(text(view("x", 0, {2, 3}, {2, 1})), "names an element twice"));
  EXPECT_TRUE(has(text(view("x", 0, {2, 3}, {0, 1})), "names an element twice"));
  EXPECT_TRUE(has(text(view("x", 0, {2, 3}, {-3, 1})), "expected none below 0"));
  EXPECT_TRUE(has(text(view("x", -1, {2, 3}, {3, 1})), "leaves its shape"));
  EXPECT_TRUE(has(text(view("x", 0, {2, 3}, {INT64_MAX, 1})), "leaves its shape"));
  EXPECT_TRUE(has(text(view("x", 0, {2, 3}, {1})), "2 sizes and 1 strides"));
  EXPECT_TRUE(has(text(view("z", 0, {2, 3}, {3, 1})), "external tensor z, which is not declared"));
}

// A tied head is a copy: it is not written, and if a file has it, it must equal the embedding.
struct Tied {
  WeightMap map;
  std::vector<TensorInfo> parameters = {tensor("embed", {3, 2}, DType::BF16)};
  Tied() {
    map.externals = {tensor("embed", {3, 2}), tensor("head", {3, 2})};
    map.entries = {entry(whole_view(map.externals[0]), whole_view(parameters[0])),
                   entry(whole_view(map.externals[1]), whole_view(parameters[0]), Kind::COPY)};
  }
};

TEST(WeightMap, ACopyIsStoredOnceAndComparedIfAFileHasIt) {
  Tied t;
  check_weight_map(t.map, t.parameters);
  const std::vector<TensorInfo> written = written_externals(t.map, t.parameters);
  ASSERT_EQ(written.size(), 1u);
  EXPECT_EQ(written[0].name, "embed");
  EXPECT_EQ(written[0].dtype, DType::BF16);

  MemoryTensors file({tensor("embed", {3, 2}, DType::BF16), tensor("head", {3, 2}, DType::BF16)}), parameters(t.parameters);
  const std::vector<uint16_t> values = {1, 2, 3, 4, 5, 6};
  file.set("embed", values);
  file.set("head", values);
  check_externals(t.map, file.tensors());
  read_parameters(t.map, file, parameters, 4);
  EXPECT_EQ(parameters.values<uint16_t>("embed"), values);
  file.set("head", std::vector<uint16_t>{1, 2, 3, 4, 0, 6});
  EXPECT_TRUE(has(message([&] { read_parameters(t.map, file, parameters, 4); }, 2), "tensor head differs from embed at element 4"));

  t.map.entries[0].parameter.strides = {1, 3};
  EXPECT_TRUE(has(message([&] { check_weight_map(t.map, t.parameters); }, 4), "that no pair stores"));
}

TEST(WeightMap, ACheckpointThatDoesNotFitIsRefusedByTensor) {
  const Tied t;
  const auto text = [&](const std::vector<TensorInfo>& there) { return message([&] { check_externals(t.map, there); }, 2); };
  EXPECT_EQ(text({tensor("embed", {3, 2})}), "accepted");
  EXPECT_TRUE(has(text({tensor("embeds", {3, 2})}), "no tensor \"embed\", which the model needs\n       did you mean \"embeds\"?"));
  EXPECT_TRUE(has(text({tensor("embed", {2, 3})}), "tensor \"embed\" has shape [2, 3], but the model's configuration needs [3, 2]"));
  EXPECT_TRUE(has(text({tensor("embed", {3, 2}), tensor("head", {3})}), "tensor \"head\" has shape [3]"));
  EXPECT_TRUE(has(text({tensor("embed", {3, 2}), tensor("bias", {3})}), "tensor \"bias\" belongs to no parameter"));
}

TEST(WeightMap, TypesAreKeptUnlessTheTargetHasAnother) {
  WeightMap map;
  map.externals = {tensor("x", {2}), tensor("y", {2})};
  const std::vector<TensorInfo> parameters = {tensor("p", {4})};
  map.entries = {entry(whole_view(map.externals[0]), view("p", 0, {2}, {2})), entry(whole_view(map.externals[1]), view("p", 1, {2}, {2}))};
  EXPECT_EQ(stored_types(map, {tensor("x", {2}, DType::F16), tensor("y", {2}, DType::F16)}, parameters)[0].dtype, DType::F16);
  EXPECT_TRUE(has(message(
                      [&] {
                        stored_types(map, {tensor("x", {2}, DType::F16), tensor("y", {2}, DType::F32)}, parameters);
                      },
                      2),
                  "\"x\" and \"y\" are parts of one parameter, but are F16 and F32"));

  MemoryTensors file({tensor("x", {2}, DType::BF16), tensor("y", {2}, DType::F16)}), memory(parameters);
  file.set("x", std::vector<uint16_t>{0x3f80, 0xc000});  // 1, -2
  file.set("y", std::vector<uint16_t>{0x3800, 0x7c00});  // 0.5, infinity
  read_parameters(map, file, memory);
  EXPECT_EQ(memory.values<float>("p"), (std::vector<float>{1, 0.5, -2, INFINITY}));
}

}  // namespace
}  // namespace corral::checkpoint
