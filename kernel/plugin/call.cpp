#include "kernel/plugin/call.h"

#include <algorithm>
#include <array>
#include <exception>
#include <mutex>

namespace corral {

void check(corral_status status, const Plugin& plugin, const char* function) {
  if (status == CORRAL_OK) return;
  const std::string sentence = take_sentence();
  const std::string where = "plugin " + plugin.place(function);
  const std::string named = where + ": " + (sentence.empty() ? "it failed and gave no reason" : sentence);
  // An error that the user can fix is reported in the plugin's own words.
  const std::string& text = sentence.empty() ? named : sentence;
  switch (status) {
    case CORRAL_INVALID:
      throw Error(2, text);
    case CORRAL_UNSUPPORTED:
      throw Unsupported(sentence.empty() ? where + ": not offered by this plugin" : sentence);
    case CORRAL_NO_SPACE:
      throw NoSpace(text);
    case CORRAL_ENVIRONMENT:
      throw Error(3, text);
    case CORRAL_CHECK:
      throw Error(1, text);
    case CORRAL_BUG:
      throw Error(4, named);
    default:
      throw Error(4, where + ": it returned status " + std::to_string(status) + ", which the ABI does not know" +
                         (sentence.empty() ? "" : ": " + sentence));
  }
}

namespace detail {

void fail_escaped(const Plugin& plugin, const char* function) {
  std::string what = "an exception of unknown type";
  try {
    throw;
  } catch (const std::exception& e) {
    what = std::string("an exception: ") + printable(e.what());
  } catch (...) {
  }
  throw Error(4, "plugin " + plugin.place(function) + ": it let " + what + " escape");
}

void fail_reply(const Plugin& plugin, const char* function, const char* why) {
  throw Error(4, "plugin " + plugin.place(function) + ": " + why);
}

}  // namespace detail

#ifdef NDEBUG
bool enforce_lifetimes = false;
#else
bool enforce_lifetimes = true;
#endif

namespace {

// Lent memory stays allocated for a while, so that a use after the call does not reach other memory.
struct Graves {
  std::mutex mutex;
  std::array<std::shared_ptr<void>, 64> lent;
  size_t next = 0;
};
Graves& graves() {
  static Graves all;
  return all;
}

void bury(std::shared_ptr<void> lent) {
  const std::lock_guard lock(graves().mutex);
  graves().lent[graves().next++ % graves().lent.size()] = std::move(lent);
}

corral_status write_late(const corral_sink*, const void*, uint64_t) noexcept {
  die("a plugin wrote to a sink after the call that lent it");
}

}  // namespace

void free_lent() {
  const std::lock_guard lock(graves().mutex);
  graves().lent.fill(nullptr);
}

LentRequest::LentRequest(const std::string& bytes) : bytes_(bytes) {
  if (enforce_lifetimes) copy_ = std::make_shared<std::string>(bytes);
}

LentRequest::~LentRequest() {
  if (!copy_) return;
  std::fill(copy_->begin(), copy_->end(), '\xdb');
  bury(std::move(copy_));
}

ReplySink::ReplySink(uint64_t cap) : sink_{CORRAL_SIZE(corral_sink), this, write}, cap_(cap) {
  if (enforce_lifetimes) lent_ = std::make_shared<corral_sink>(sink_);
}

ReplySink::~ReplySink() {
  if (!lent_) return;
  *lent_ = {CORRAL_SIZE(corral_sink), nullptr, write_late};
  bury(std::move(lent_));
}

corral_status ReplySink::write(const corral_sink* sink, const void* data, uint64_t size) noexcept {
  auto* self = static_cast<ReplySink*>(sink->context);
  if (size == 0) return CORRAL_OK;
  const std::lock_guard lock(self->mutex_);
  if (data == nullptr || size > self->cap_ - self->bytes_.size()) {
    self->refused_ = true;
    return CORRAL_NO_SPACE;
  }
  try {
    self->bytes_.append(static_cast<const char*>(data), size);
  } catch (...) {
    self->refused_ = true;
    return CORRAL_NO_SPACE;
  }
  return CORRAL_OK;
}

}  // namespace corral
