#include "kernel/plugin/collective.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <thread>

#include "bin/validate/check.h"
#include "corral/collective.h"
#include "corral/error.h"

namespace corral::validate {
namespace {

constexpr uint32_t kRanks = 3;

// The ranks of this process: as many as a check asks for, or this process's own if a library decides on the members.
struct Ranks {
  std::vector<CollectiveHandle> all;
  uint32_t count = 0;  // of ranks in the run
};

Ranks join(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  static uint32_t jobs = 0;
  Ranks ranks;
  CollectiveOpen request;
  request.options = s.options();
  request.job = format("{}/{}", s.scratch, jobs++);
  request.ranks = kRanks;
  try {
    for (request.rank = 0; request.rank < kRanks; ++request.rank) ranks.all.push_back(CollectiveHandle::open(plugin, request));
  } catch (const Unsupported&) {
    request.rank = request.ranks = 0;
    ranks.all.clear();
    ranks.all.push_back(CollectiveHandle::open(plugin, request));
  }
  ranks.count = ranks.all[0].info().ranks;
  return ranks;
}

// Communicators of the members `who`; each member waits for the others.
std::vector<CommunicatorHandle> communicators(const Ranks& ranks, const std::vector<uint32_t>& who) {
  std::vector<std::unique_ptr<CommunicatorHandle>> made(ranks.all.size());
  std::vector<std::exception_ptr> errors(ranks.all.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < ranks.all.size(); ++i)
    if (std::find(who.begin(), who.end(), ranks.all[i].info().rank) != who.end())
      threads.emplace_back([&, i] {
        try {
          made[i] = std::make_unique<CommunicatorHandle>(ranks.all[i].communicator(who));
        } catch (...) {
          errors[i] = std::current_exception();
        }
      });
  for (std::thread& t : threads) t.join();
  std::vector<CommunicatorHandle> all;
  for (const std::exception_ptr& e : errors)
    if (e) std::rethrow_exception(e);
  for (auto& c : made)
    if (c) all.push_back(std::move(*c));
  return all;
}

std::vector<uint32_t> everyone(uint32_t count) {
  std::vector<uint32_t> ranks(count);
  for (uint32_t i = 0; i < count; ++i) ranks[i] = i;
  return ranks;
}

// Small whole numbers, which every type represents exactly.
double given(uint32_t rank, uint64_t i) { return static_cast<double>((rank * 7 + i * 5) % 11); }

template <class T>
T number(double value) {
  return static_cast<T>(value);
}
struct Bf16 {
  uint16_t bits;
  bool operator==(const Bf16&) const = default;
};
template <>
Bf16 number<Bf16>(double value) {
  const auto wide = static_cast<float>(value);
  uint32_t bits = 0;
  std::memcpy(&bits, &wide, sizeof bits);
  return {static_cast<uint16_t>(bits >> 16)};
}

double reduced(uint32_t reduction, uint32_t n, uint64_t i) {
  double result = given(0, i);
  for (uint32_t r = 1; r < n; ++r) {
    const double x = given(r, i);
    result = reduction == CORRAL_REDUCE_SUM ? result + x : reduction == CORRAL_REDUCE_MAX ? std::max(result, x) : std::min(result, x);
  }
  return result;
}

// The definition of an exchange: how much each rank gives and gets, and the values that it gets.
struct Definition {
  const char* name;
  uint32_t kind, reduction;
  bool gives_all, gets_all;  // n times the count, else once
  double (*wanted)(uint32_t n, uint32_t rank, uint64_t count, uint64_t i);
};

constexpr Definition kDefinitions[] = {
    {"all_reduce of sums", CORRAL_ALL_REDUCE, CORRAL_REDUCE_SUM, false, false,
     [](uint32_t n, uint32_t, uint64_t, uint64_t i) { return reduced(CORRAL_REDUCE_SUM, n, i); }},
    {"all_reduce of maxima", CORRAL_ALL_REDUCE, CORRAL_REDUCE_MAX, false, false,
     [](uint32_t n, uint32_t, uint64_t, uint64_t i) { return reduced(CORRAL_REDUCE_MAX, n, i); }},
    {"all_reduce of minima", CORRAL_ALL_REDUCE, CORRAL_REDUCE_MIN, false, false,
     [](uint32_t n, uint32_t, uint64_t, uint64_t i) { return reduced(CORRAL_REDUCE_MIN, n, i); }},
    {"all_gather", CORRAL_ALL_GATHER, 0, false, true,
     [](uint32_t, uint32_t, uint64_t count, uint64_t i) { return given(static_cast<uint32_t>(i / count), i % count); }},
    {"reduce_scatter", CORRAL_REDUCE_SCATTER, CORRAL_REDUCE_SUM, true, false,
     [](uint32_t n, uint32_t rank, uint64_t count, uint64_t i) { return reduced(CORRAL_REDUCE_SUM, n, rank * count + i); }},
    {"all_to_all", CORRAL_ALL_TO_ALL, 0, true, true,
     [](uint32_t, uint32_t rank, uint64_t count, uint64_t i) { return given(static_cast<uint32_t>(i / count), rank * count + i % count); }},
};

// Starts the exchange on every rank, then finishes it on every one. An exchange that waits for another rank in `start` never finishes.
template <class T>
std::string fault_of(const Definition& d, const std::vector<CommunicatorHandle>& members, uint32_t first, uint32_t n, DType dtype,
                     uint64_t count) {
  std::vector<std::vector<T>> from(members.size()), to(members.size());
  std::vector<PendingExchangeHandle> pending;
  for (size_t m = 0; m < members.size(); ++m) {
    const uint32_t rank = first + static_cast<uint32_t>(m);
    for (uint64_t i = 0; i < (d.gives_all ? n : 1) * count; ++i) from[m].push_back(number<T>(given(rank, i)));
    to[m].resize((d.gets_all ? n : 1) * count, number<T>(99));
    const corral_exchange exchange{
        CORRAL_SIZE(corral_exchange), d.kind, static_cast<uint32_t>(dtype), d.reduction, 0, count, from[m].data(), to[m].data()};
    pending.push_back(members[m].start(exchange));
  }
  for (PendingExchangeHandle& p : pending) p.finish();
  for (size_t m = 0; m < members.size(); ++m)
    for (uint64_t i = 0; i < to[m].size(); ++i)
      if (const uint32_t rank = first + static_cast<uint32_t>(m); !(to[m][i] == number<T>(d.wanted(n, rank, count, i))))
        return format("{} of {} elements over {} ranks: element {} of rank {} is wrong", d.name, count, n, i, rank);
  return "";
}

template <class T>
std::string fault_of_all(const std::vector<CommunicatorHandle>& members, uint32_t first, uint32_t n, DType dtype) {
  for (const Definition& d : kDefinitions)
    for (const uint64_t count : {1, 7, 1000})
      if (const std::string fault = fault_of<T>(d, members, first, n, dtype, count); !fault.empty()) return fault;
  return "";
}

// Each rank sends to the next of the members.
std::string fault_of_ring(const std::vector<CommunicatorHandle>& members) {
  const auto n = static_cast<uint32_t>(members.size());
  constexpr uint64_t kCount = 100;
  std::vector<std::vector<float>> from(n), to(n, std::vector<float>(kCount));
  std::vector<PendingExchangeHandle> pending;
  for (uint32_t r = 0; r < n; ++r) {
    for (uint64_t i = 0; i < kCount; ++i) from[r].push_back(static_cast<float>(given(r, i)));
    pending.push_back(members[r].start(send(DType::F32, from[r].data(), kCount, (r + 1) % n)));
    pending.push_back(members[r].start(receive(DType::F32, to[r].data(), kCount, (r + n - 1) % n)));
  }
  for (PendingExchangeHandle& p : pending) p.finish();
  for (uint32_t r = 0; r < n; ++r)
    if (to[r] != from[(r + n - 1) % n]) return format("rank {} did not receive the data that rank {} sent", r, (r + n - 1) % n);
  return "";
}

std::string fault_of_members(const std::vector<CommunicatorHandle>& members, uint32_t first, uint32_t n) {
  std::string fault = fault_of_all<float>(members, first, n, DType::F32);
  if (fault.empty()) fault = fault_of_all<double>(members, first, n, DType::F64);
  if (fault.empty()) fault = fault_of_all<Bf16>(members, first, n, DType::BF16);
  if (fault.empty()) fault = fault_of_all<int32_t>(members, first, n, DType::I32);
  if (fault.empty()) fault = fault_of_all<int64_t>(members, first, n, DType::I64);
  if (fault.empty() && members.size() == n) fault = fault_of_ring(members);
  return fault;
}

Outcome exchanges(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  uint32_t count = 0;
  const Ranks ranks = join(s, plugin);
  if (!ranks.all[0].info().on_host) return skip("it exchanges device memory: a device and several processes are needed");
  count = ranks.count;
  if (const std::string fault = fault_of_members(communicators(ranks, everyone(count)), ranks.all[0].info().rank, count); !fault.empty())
    return failed(fault);
  return pass(format("{} ranks", count));
}

Outcome groups(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const Ranks ranks = join(s, plugin);
  if (!ranks.all[0].info().on_host) return skip("it exchanges device memory: a device and several processes are needed");
  if (ranks.all.size() < kRanks) return skip("its library decides the ranks, and this process is one");
  // Several communicators are live at once, as for the dimensions of a mesh.
  const auto outer = communicators(ranks, {0, 2}), all = communicators(ranks, everyone(kRanks)), alone = communicators(ranks, {1});
  for (const auto& [members, name] : {std::pair{&outer, "ranks 0 and 2"}, {&all, "all ranks"}, {&alone, "rank 1 alone"}})
    if (const std::string fault = fault_of_members(*members, 0, static_cast<uint32_t>(members->size())); !fault.empty())
      return failed(format("in a communicator of {}: {}", name, fault));
  return pass();
}

Outcome says_where(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const Ranks ranks = join(s, plugin);
  for (size_t i = 0; i < ranks.all.size(); ++i) {
    const CollectiveInfo info = ranks.all[i].info();
    if (info.rank >= info.ranks) return failed(format("it says that it is rank {} of {}", info.rank, info.ranks));
    if (ranks.all.size() > 1 && (info.rank != i || info.ranks != kRanks))
      return failed(format("opened as rank {} of {}, it says that it is rank {} of {}", i, kRanks, info.rank, info.ranks));
  }
  const auto members = communicators(ranks, everyone(ranks.count));
  float value = 1;
  const corral_exchange exchange = all_reduce(DType::F32, CORRAL_REDUCE_SUM, &value, &value, 1);
  try {
    if (ranks.all[0].info().on_host) {
      members[0].enqueue(exchange, nullptr);
      return failed("it exchanges host memory, but accepts an exchange on a stream");
    }
    members[0].start(exchange).finish();
    return failed("it exchanges device memory, but accepts an exchange without a stream");
  } catch (const Unsupported&) {
  }
  return pass();
}

void exercise(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const Ranks ranks = join(s, plugin);
  if (!ranks.all[0].info().on_host) return;
  const auto members = communicators(ranks, everyone(ranks.count));
  const std::string fault = fault_of<float>(kDefinitions[0], members, ranks.all[0].info().rank, ranks.count, DType::F32, 5);
  if (!fault.empty()) fail_check("{}", fault);
}

constexpr Check kChecks[] = {
    {"collective.place", "it says which rank it is, and offers exchanges either of the host or of a device", with_plugin<says_where>},
    {"collective.exchanges", "every exchange gives each rank the defined result, and begins without waiting", with_plugin<exchanges>},
    {"collective.groups", "communicators of some ranks know these ranks alone", with_plugin<groups>},
};

}  // namespace

extern const Kind kind_collective;
const Kind kind_collective{"collective", CORRAL_COLLECTIVE_ID, CORRAL_SIZE(corral_collective), exercise, kChecks};

}  // namespace corral::validate
