#include "kernel/plugin/dataset.h"

#include <algorithm>

namespace corral {

corral_status EncoderLoan::encode(const corral_encoder* encoder, const char* text, uint64_t size, uint64_t flags, int32_t* ids,
                                  uint64_t capacity, uint64_t* count) noexcept {
  const TokenizerHandle& tokenizer = static_cast<const EncoderLoan*>(encoder->context)->tokenizer_;
  try {
    return status_of_call(tokenizer.plugin(), &corral_tokenizer::encode, "encode", tokenizer.get(), text, size, flags, ids, capacity,
                          count);
  } catch (...) {
    return CORRAL_BUG;
  }
}

DatasetHandle DatasetHandle::open(std::shared_ptr<const Plugin> plugin, const DatasetRequest& request, const TokenizerHandle* tokenizer) {
  DatasetHandle handle;
  if (tokenizer) handle.encoder_ = std::make_unique<EncoderLoan>(*tokenizer);
  const std::string bytes = request.encode();
  corral_dataset_instance* instance = nullptr;
  invoke_control(*plugin, &corral_dataset::open, "open", bytes.data(), bytes.size(), handle.encoder_ ? handle.encoder_->get() : nullptr,
                 &instance);
  handle.seq_length_ = static_cast<uint64_t>(request.seq_length);
  handle.instance_ = {std::move(plugin), instance, &corral_dataset::close, "close", "open"};
  return handle;
}

void DatasetHandle::fetch(uint64_t part, uint64_t first_row, uint64_t rows, int32_t* tokens, int32_t* targets, int32_t* positions,
                          int32_t* first_key, float* weights) const {
  const uint64_t count = rows * seq_length_;
  std::fill_n(weights, count, 1.0f);
  const corral_batch batch{CORRAL_SIZE(corral_batch), tokens, targets, positions, first_key, weights};
  invoke(plugin(), &corral_dataset::fetch, "fetch", instance_.get(), part, first_row, rows, &batch);
  for (uint64_t i = 0; i < count; ++i)
    if (targets[i] < 0) weights[i] = 0;
}

ChatReply render_chat(const Plugin& plugin, const ChatRequest& request, const TokenizerHandle& tokenizer) {
  const EncoderLoan encoder(tokenizer);
  const std::string bytes = request.encode();
  return decode_reply<ChatReply>(
      plugin, "render",
      invoke_for_reply(plugin, &corral_dataset::render, "render", bytes.data(), static_cast<uint64_t>(bytes.size()), encoder.get()));
}

DatasetBuildReply build_dataset(const Plugin& plugin, const DatasetBuildRequest& request, const TokenizerHandle* tokenizer) {
  std::unique_ptr<EncoderLoan> encoder;
  if (tokenizer) encoder = std::make_unique<EncoderLoan>(*tokenizer);
  const std::string bytes = request.encode();
  const std::lock_guard lock(plugin.control());
  return decode_reply<DatasetBuildReply>(plugin, "build",
                                         invoke_for_reply(plugin, &corral_dataset::build, "build", bytes.data(),
                                                          static_cast<uint64_t>(bytes.size()), encoder ? encoder->get() : nullptr));
}

}  // namespace corral
