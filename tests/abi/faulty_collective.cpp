// A collective over ranks in one process, each in a thread of its own or all in one. $CORRAL_TEST_FAULT says how it breaks its contract.
#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>

#include "corral/collective.h"
#include "corral/graph.h"
#include "tests/abi/faulty.h"

namespace {
using namespace corral;

template <class T>
void reduce(uint32_t reduction, T* to, const T* from, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    to[i] = reduction == CORRAL_REDUCE_SUM   ? to[i] + from[i]
            : reduction == CORRAL_REDUCE_MAX ? std::max(to[i], from[i])
                                             : std::min(to[i], from[i]);
}

void reduce_bf16(uint32_t reduction, char* to, const char* from, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    float a = 0, b = 0;
    std::memcpy(reinterpret_cast<char*>(&a) + 2, to + 2 * i, 2);
    std::memcpy(reinterpret_cast<char*>(&b) + 2, from + 2 * i, 2);
    reduce(reduction, &a, &b, 1);
    std::memcpy(to + 2 * i, reinterpret_cast<char*>(&a) + 2, 2);
  }
}

void reduce(const corral_exchange& e, char* to, const char* from, uint64_t count) {
  switch (static_cast<DType>(e.dtype)) {
    case DType::F32:
      return reduce(e.reduction, reinterpret_cast<float*>(to), reinterpret_cast<const float*>(from), count);
    case DType::F64:
      return reduce(e.reduction, reinterpret_cast<double*>(to), reinterpret_cast<const double*>(from), count);
    case DType::I32:
      return reduce(e.reduction, reinterpret_cast<int32_t*>(to), reinterpret_cast<const int32_t*>(from), count);
    case DType::I64:
      return reduce(e.reduction, reinterpret_cast<int64_t*>(to), reinterpret_cast<const int64_t*>(from), count);
    case DType::BF16:
      return reduce_bf16(e.reduction, to, from, count);
    default:
      throw Unsupported("no sums of this type");
  }
}

// One exchange of a communicator: the last member to come computes it for all.
struct Round {
  std::vector<corral_exchange> exchanges;  // by rank
  size_t come = 0, gone = 0;
  bool done = false;
};

void run(const std::vector<corral_exchange>& all) {
  const corral_exchange& first = all[0];
  const uint64_t n = all.size(), bytes = bytes_of(static_cast<DType>(first.dtype), static_cast<int64_t>(first.count));
  const auto from = [&](uint64_t rank) { return static_cast<const char*>(all[rank].from); };
  const auto to = [&](uint64_t rank) { return static_cast<char*>(all[rank].to); };
  const bool scatters = first.kind == CORRAL_REDUCE_SCATTER;
  if (first.kind == CORRAL_ALL_REDUCE || scatters) {
    std::string sum(from(0), (scatters ? n : 1) * bytes);
    for (uint64_t r = 1; r < n - (fault("forget a rank") ? 1 : 0); ++r)
      reduce(first, sum.data(), from(r), (scatters ? n : 1) * first.count);
    for (uint64_t r = 0; r < n; ++r) sum.copy(to(r), bytes, scatters ? r * bytes : 0);
  } else if (first.kind == CORRAL_ALL_GATHER) {
    for (uint64_t r = 0; r < n; ++r)
      for (uint64_t part = 0; part < n; ++part)
        std::memcpy(to(r) + part * bytes, from(fault("gather backwards") ? n - 1 - part : part), bytes);
  } else {
    for (uint64_t r = 0; r < n; ++r)
      for (uint64_t part = 0; part < n; ++part) std::memcpy(to(r) + part * bytes, from(part) + r * bytes, bytes);
  }
}

// State that the ranks of one communicator share.
struct Group {
  std::mutex mutex;
  std::condition_variable changed;
  size_t joined = 0;
  std::map<uint64_t, Round> rounds;                             // by number
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> sent, got;  // between two ranks
  std::map<std::tuple<uint32_t, uint32_t, uint64_t>, Round> letters;
};

class Pending final : public PendingExchange {
 public:
  Pending(std::shared_ptr<Group> group, Round& round) : group_(std::move(group)), round_(round) {}
  void finish() override {
    std::unique_lock lock(group_->mutex);
    group_->changed.wait(lock, [&] { return round_.done; });
  }

 private:
  std::shared_ptr<Group> group_;
  Round& round_;
};

class Member final : public Communicator {
 public:
  Member(std::shared_ptr<Group> group, uint32_t rank, size_t count) : group_(std::move(group)), rank_(rank), count_(count) {}

  void enqueue(const corral_exchange& exchange, void* stream) override {
    if (!fault("both ways")) Communicator::enqueue(exchange, stream);
  }

  std::unique_ptr<PendingExchange> start(const corral_exchange& exchange) override {
    std::unique_lock lock(group_->mutex);
    Round& round = exchange.kind == CORRAL_SEND || exchange.kind == CORRAL_RECEIVE ? letter(exchange) : group_->rounds[next_++];
    group_->changed.notify_all();
    if (exchange.kind < CORRAL_SEND) {
      round.exchanges.resize(count_);
      round.exchanges[rank_] = exchange;
      if (++round.come == count_) {
        run(round.exchanges);
        round.done = true;
      }
    }
    if (fault("wait in start")) group_->changed.wait(lock, [&] { return round.done; });
    return std::make_unique<Pending>(group_, round);
  }

 private:
  Round& letter(const corral_exchange& e) {
    const bool sends = e.kind == CORRAL_SEND;
    const std::pair<uint32_t, uint32_t> way = sends ? std::pair{rank_, e.peer} : std::pair{e.peer, rank_};
    const uint64_t number = (sends ? group_->sent : group_->got)[way]++;
    Round& round = group_->letters[{way.first, way.second, number}];
    round.exchanges.push_back(e);
    if (round.exchanges.size() == 2) {
      const corral_exchange &sender = round.exchanges[sends ? 1 : 0], &receiver = round.exchanges[sends ? 0 : 1];
      std::memcpy(receiver.to, sender.from, bytes_of(static_cast<DType>(e.dtype), static_cast<int64_t>(e.count)));
      round.done = true;
    }
    return round;
  }

  std::shared_ptr<Group> group_;
  uint32_t rank_;
  size_t count_;
  uint64_t next_ = 0;
};

class Faulty;

class Rank final : public CollectiveInstance {
 public:
  Rank(Faulty& runs, CollectiveOpen open) : runs_(runs), open_(std::move(open)) {}
  CollectiveInfo info() override {
    CollectiveInfo info;
    info.name = "threads";
    info.rank = fault("always the first") ? 0 : open_.rank;
    info.ranks = open_.ranks;
    info.on_host = true;
    info.local_rank = open_.rank;
    info.local_ranks = open_.ranks;
    return info;
  }
  std::unique_ptr<Communicator> communicator(std::span<const uint32_t> ranks) override;

 private:
  Faulty& runs_;
  CollectiveOpen open_;
  std::map<std::vector<uint32_t>, uint64_t> made_;  // communicators of a list of ranks, so far
};

class Faulty final : public Collective<NoOptions> {
 public:
  std::shared_ptr<Group> group(const std::string& job, const std::vector<uint32_t>& ranks, uint64_t number) {
    const std::lock_guard lock(mutex_);
    auto& group = groups_[{job, ranks, number}];
    if (!group) group = std::make_shared<Group>();
    return group;
  }

 private:
  std::unique_ptr<CollectiveInstance> open(const NoOptions&, const CollectiveOpen& request) override {
    CollectiveOpen alone = request;
    if (alone.ranks == 0) alone.ranks = 1;
    return std::make_unique<Rank>(*this, alone);
  }
  std::mutex mutex_;
  std::map<std::tuple<std::string, std::vector<uint32_t>, uint64_t>, std::shared_ptr<Group>> groups_;
};

std::unique_ptr<Communicator> Rank::communicator(std::span<const uint32_t> ranks) {
  const std::vector<uint32_t> list(ranks.begin(), ranks.end());
  const auto at = std::find(list.begin(), list.end(), open_.rank);
  if (at == list.end()) fail("rank {} asks for a communicator that it does not belong to", open_.rank);
  const std::shared_ptr<Group> group = runs_.group(open_.job, list, made_[list]++);
  std::unique_lock lock(group->mutex);
  ++group->joined;
  group->changed.notify_all();
  group->changed.wait(lock, [&] { return group->joined == list.size(); });
  return std::make_unique<Member>(group, static_cast<uint32_t>(at - list.begin()), list.size());
}
}  // namespace

CORRAL_PLUGIN(Faulty)
