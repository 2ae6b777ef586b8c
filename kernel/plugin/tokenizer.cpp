#include "kernel/plugin/tokenizer.h"

#include <exception>
#include <thread>

namespace corral {
namespace {

struct SourceState {
  const Plugin& plugin;
  const TokenizerMethod::Source& source;
  std::thread::id thread;  // [control]: of the call that lends it
  std::exception_ptr error;
};

corral_status next(const corral_text_source* self, const char** text, uint64_t* size) noexcept {
  auto* state = static_cast<SourceState*>(self->context);
  *text = nullptr;
  *size = 0;
  if (state->thread != std::this_thread::get_id()) {
    state->error = std::make_exception_ptr(
        Error(4, "plugin " + state->plugin.place("train") + ": it asked for text in another thread than the one that it was called in"));
    return CORRAL_BUG;
  }
  try {
    std::string_view document;
    if (!state->source(document)) return CORRAL_OK;
    *text = document.data() ? document.data() : "";
    *size = document.size();
    return CORRAL_OK;
  } catch (...) {
    state->error = std::current_exception();
    return CORRAL_ENVIRONMENT;
  }
}

}  // namespace

FileList TokenizerMethod::train(const TokenizerTrainRequest& request, const Source& source) const {
  SourceState state{*plugin_, source, std::this_thread::get_id(), nullptr};
  const corral_text_source lent{CORRAL_SIZE(corral_text_source), &state, next};
  const std::string bytes = request.encode();
  const std::lock_guard lock(plugin_->control());
  std::string reply;
  try {
    reply = invoke_for_reply(*plugin_, &corral_tokenizer::train, "train", bytes.data(), bytes.size(), &lent);
  } catch (...) {
    // The exception that ended the text says more than the plugin's report of it.
    if (state.error) std::rethrow_exception(state.error);
    throw;
  }
  if (state.error) std::rethrow_exception(state.error);
  return decode_reply<FileList>(*plugin_, "train", reply);
}

}  // namespace corral
