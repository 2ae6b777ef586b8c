#include "kernel/generate/generator.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <span>

#include "corral/error.h"

namespace corral::generate {
namespace {
using Clock = std::chrono::steady_clock;
double since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

// The smallest prefill program with room for all tokens, unless more than half of it were padding.
size_t prefill_size(size_t tokens) {
  constexpr size_t kSmallest = std::size(Generator::kSizes) - 2;
  size_t size = 0;
  while (size<kSmallest&& static_cast<uint64_t>(Generator::kSizes[size])> 2 * tokens) ++size;
  while (size < kSmallest && static_cast<uint64_t>(Generator::kSizes[size + 1]) >= tokens) ++size;
  return size;
}

size_t common_beginning(std::span<const int32_t> a, std::span<const int32_t> b, size_t most) {
  size_t n = 0;
  while (n < std::min({most, a.size(), b.size()}) && a[n] == b[n]) ++n;
  return n;
}
}  // namespace

Generator::Generator(runtime::Session& session) : session_(session) {
  const auto graph = [](int64_t size) { return format("generation.{}", size); };
  for (const int64_t size : kSizes) {
    const std::string g = graph(size);
    programs_.push_back({session.program(g, [](const Node& n) { return n.when == When::EVERY; }), session.input(g, "tokens"),
                         session.input(g, "positions"), session.input(g, "first_key"), session.input(g, "last"),
                         session.output(g, "logits")});
  }
  prepare_ = session.program(graph(kSizes[0]), [](const Node& n) { return n.when == When::FIRST; });
  slots_.resize(static_cast<size_t>(programs_[0].tokens.shape[0]));
  logits_.resize(slots_.size() * static_cast<size_t>(programs_[0].logits.shape[2]));
}

Speed Generator::run(const std::vector<std::vector<int32_t>>& prompts, const Sampling& sampling, const Limits& limits,
                     const Events& events) {
  Sampler sampler(sampling);
  session_.run(prepare_);
  Speed speed;
  size_t next = 0;
  for (Slot& s : slots_) s.busy = false;
  for (;;) {
    for (Slot& s : slots_) {
      if (s.busy || next == prompts.size()) continue;
      if (limits.max_new_tokens == 0) {
        events.finished(next++, Finish::kLength);
        continue;
      }
      // The last token is read in any case: its logits choose the first new one.
      const size_t kept = limits.keep_cache ? common_beginning({s.ids.data(), s.done}, prompts[next], prompts[next].size() - 1) : 0;
      s = {true, next, prompts[next].size(), prompts[next], kept};
      speed.prompt_tokens += s.prompt_length - kept;
      ++next;
    }
    size_t longest = 0;
    bool any = false;
    for (const Slot& s : slots_) {
      if (!s.busy) continue;
      any = true;
      longest = std::max(longest, s.ids.size() - s.done);
    }
    if (!any) {
      if (next == prompts.size()) return speed;
      continue;
    }
    const Clock::time_point begin = Clock::now();
    if (longest > 1) {
      advance(prefill_size(longest), true);
      speed.prompt_seconds += since(begin);
    } else {
      advance(std::size(kSizes) - 1, false);
      for (const Slot& s : slots_) speed.decoded += s.busy && s.ids.size() > s.prompt_length;
      speed.decode_seconds += since(begin);
    }
    choose(sampler, limits, events, speed);
  }
}

void Generator::advance(size_t size_index, bool prompts_only) {
  const Program& p = programs_[size_index];
  const auto size = static_cast<size_t>(kSizes[size_index]);
  tokens_.assign(slots_.size() * size, 0);
  positions_.assign(tokens_.size(), -1);
  first_key_.assign(tokens_.size(), 0);
  last_.assign(slots_.size(), 0);
  for (size_t b = 0; b < slots_.size(); ++b) {
    Slot& s = slots_[b];
    // A text that decodes waits while the prompt of another is read.
    if (!s.busy || (prompts_only && s.ids.size() > s.prompt_length)) continue;
    const size_t count = std::min(size, s.ids.size() - s.done);
    for (size_t i = 0; i < count; ++i) {
      tokens_[b * size + i] = s.ids[s.done + i];
      positions_[b * size + i] = static_cast<int32_t>(s.done + i);
    }
    last_[b] = static_cast<int32_t>(count - 1);
    s.done += count;
  }
  const auto put = [&](const runtime::TensorRef& to, const std::vector<int32_t>& values) {
    session_.write(to, values.data(), values.size() * sizeof(int32_t));
  };
  put(p.tokens, tokens_);
  put(p.positions, positions_);
  put(p.first_key, first_key_);
  put(p.last, last_);
  session_.run(p.number);
  session_.read(p.logits, logits_.data(), logits_.size() * sizeof(float));
}

void Generator::choose(Sampler& sampler, const Limits& limits, const Events& events, Speed& speed) {
  const size_t vocabulary = logits_.size() / slots_.size();
  for (size_t b = 0; b < slots_.size(); ++b) {
    Slot& s = slots_[b];
    // A slot has new logits only if all its tokens are read by now.
    if (!s.busy || s.done != s.ids.size() || positions_[b * (positions_.size() / slots_.size())] < 0) continue;
    const size_t made = s.ids.size() - s.prompt_length;
    const int32_t id = sampler.next({logits_.data() + b * vocabulary, vocabulary}, s.ids, s.prompt, made);
    if (limits.end_ids.contains(id)) {
      s.busy = false;
      events.finished(s.prompt, Finish::kStop);
      continue;
    }
    s.ids.push_back(id);
    ++speed.new_tokens;
    const bool wanted = events.token(s.prompt, id);
    if (wanted && made + 1 < limits.max_new_tokens) continue;
    s.busy = false;
    events.finished(s.prompt, wanted ? Finish::kLength : Finish::kStop);
  }
}

}  // namespace corral::generate
