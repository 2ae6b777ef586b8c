#include "kernel/runtime/initialize.h"

#include <algorithm>
#include <bit>

#include "corral/error.h"
#include "kernel/runtime/random.h"

namespace corral::runtime {
namespace {

constexpr uint64_t kBlock = 1 << 16;

uint16_t rounded(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

void write_values(Session& session, const TensorRef& to, uint64_t from, const std::vector<float>& values) {
  if (to.dtype == DType::F32) return session.write_bytes(to, from * sizeof(float), values.data(), values.size() * sizeof(float));
  if (to.dtype != DType::BF16) fail_bug("a parameter of type number {} cannot be initialized", static_cast<int>(to.dtype));
  std::vector<uint16_t> narrow(values.size());
  std::transform(values.begin(), values.end(), narrow.begin(), rounded);
  session.write_bytes(to, from * sizeof(uint16_t), narrow.data(), narrow.size() * sizeof(uint16_t));
}

}  // namespace

void initial_values(const State& state, std::string_view name, uint64_t seed, uint64_t from, std::vector<float>& to) {
  const uint64_t key = key_of(seed, name);
  switch (state.init) {
    case InitKind::ONES:
      std::fill(to.begin(), to.end(), 1.0f);
      return;
    case InitKind::NORMAL:
      for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(state.init_scale * normal(key, from + i));
      return;
    case InitKind::UNIFORM:
      for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(state.init_scale * (2 * uniform(key, from + i) - 1));
      return;
    default:
      std::fill(to.begin(), to.end(), 0.0f);
  }
}

void initialize_parameters(Session& session, uint64_t seed, const std::unordered_set<std::string>* names) {
  const auto& [graph, g, constants] = session.graphs().front();
  std::vector<float> values;
  for (const State& s : g.states) {
    if (s.kind != StateKind::PARAMETER || (names && !names->contains(name_of(g, s.tensor)))) continue;
    const auto n = static_cast<uint64_t>(elements(g.tensors[s.tensor].shape));
    TensorRef master;
    for (const State& m : g.states)
      if (m.kind == StateKind::MASTER && m.of == s.tensor) master = session.tensor(graph, m.tensor);
    for (uint64_t from = 0; from < n; from += kBlock) {
      values.resize(std::min(kBlock, n - from));
      initial_values(s, name_of(g, s.tensor), seed, from, values);
      write_values(session, session.tensor(graph, s.tensor), from, values);
      if (master.address) write_values(session, master, from, values);
    }
  }
}

}  // namespace corral::runtime
