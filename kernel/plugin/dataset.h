// Host side of corral.dataset/1: an open dataset. Lends it the host's tokenizer.
#pragma once

#include <memory>

#include "kernel/plugin/instance.h"
#include "kernel/plugin/tokenizer.h"
#include "plugin.wire.h"

namespace corral {

// A tokenizer as a dataset sees it. It must not move, as the dataset keeps its address.
class EncoderLoan {
 public:
  explicit EncoderLoan(const TokenizerHandle& tokenizer) : table_{CORRAL_SIZE(corral_encoder), this, encode}, tokenizer_(tokenizer) {}
  EncoderLoan(const EncoderLoan&) = delete;
  EncoderLoan& operator=(const EncoderLoan&) = delete;
  const corral_encoder* get() const { return &table_; }

 private:
  static corral_status encode(const corral_encoder* encoder, const char* text, uint64_t size, uint64_t flags, int32_t* ids,
                              uint64_t capacity, uint64_t* count) noexcept;
  corral_encoder table_;
  const TokenizerHandle& tokenizer_;
};

class DatasetHandle {
 public:
  // `tokenizer` may be null and must live until the dataset is closed.
  static DatasetHandle open(std::shared_ptr<const Plugin> plugin, const DatasetRequest& request, const TokenizerHandle* tokenizer);

  DatasetInfo info() const {
    return decode_reply<DatasetInfo>(plugin(), "info", invoke_for_reply(plugin(), &corral_dataset::info, "info", instance_.get()));
  }
  // Fills sequences first_row … first_row + rows - 1 of part `part`; each array contains rows x seq_length numbers. `weights` are 0 where
  // there is no target, and 1 elsewhere unless the dataset gives others. Safe from any thread.
  void fetch(uint64_t part, uint64_t first_row, uint64_t rows, int32_t* tokens, int32_t* targets, int32_t* positions, int32_t* first_key,
             float* weights) const;
  // A report of the targets that samples train. Throws Unsupported if the dataset does not tell samples apart.
  SampleReport inspect(const SampleQuery& query) const {
    const std::string bytes = query.encode();
    return decode_reply<SampleReport>(plugin(), "inspect",
                                      invoke_for_reply(plugin(), &corral_dataset::inspect, "inspect", instance_.get(), bytes.data(),
                                                       static_cast<uint64_t>(bytes.size())));
  }
  const Plugin& plugin() const { return instance_.plugin(); }

 private:
  DatasetHandle() = default;
  std::unique_ptr<EncoderLoan> encoder_;  // outlives the instance
  Instance<corral_dataset_instance, corral_dataset> instance_;
  uint64_t seq_length_ = 0;
};

// A chat as ids, as the sequences of a dataset contain it. Throws Unsupported if this dataset has no chats.
ChatReply render_chat(const Plugin& plugin, const ChatRequest& request, const TokenizerHandle& tokenizer);

// Writes files in the dataset's own form. `tokenizer` may be null. Throws Unsupported if this dataset writes none.
DatasetBuildReply build_dataset(const Plugin& plugin, const DatasetBuildRequest& request, const TokenizerHandle* tokenizer);

}  // namespace corral
