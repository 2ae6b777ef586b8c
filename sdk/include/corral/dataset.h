// A dataset: an endless numbered series of token sequences (rows), each a pure function of its number.
#pragma once

#include <vector>

#include "corral/plugin.h"

namespace corral {

// The host's tokenizer; false if there is none.
class Encoder {
 public:
  explicit Encoder(const corral_encoder* encoder) : encoder_(encoder) {}
  explicit operator bool() const { return encoder_ != nullptr; }

  // Appends the ids of `text` to `ids`. May be called from any thread.
  void encode(std::string_view text, std::vector<int32_t>& ids, uint64_t flags = 0) const {
    const size_t before = ids.size();
    ids.resize(before + text.size() + 16);
    uint64_t count = 0;
    const corral_status status = encoder_->encode(encoder_, text.data(), text.size(), flags, ids.data() + before, text.size() + 16, &count);
    if (status != CORRAL_OK) throw Error(status == CORRAL_INVALID ? 2 : 4, "the tokenizer could not encode a document");
    ids.resize(before + count);
  }

 private:
  const corral_encoder* encoder_;
};

class DatasetInstance {
 public:
  virtual ~DatasetInstance() = default;
  virtual DatasetInfo info() = 0;
  // Fills sequences first_row … first_row + rows - 1 of part `part`. Called from any thread.
  virtual void fetch(uint64_t part, uint64_t first_row, uint64_t rows, const corral_batch& batch) = 0;
  // Reports which tokens the samples train. Called from any thread.
  virtual SampleReport inspect(const SampleQuery&) { throw Unsupported("this dataset does not tell samples apart"); }
};

template <class OptionsMessage>
class Dataset {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_DATASET_ID;
  virtual ~Dataset() = default;
  virtual std::unique_ptr<DatasetInstance> open(const Options& options, const DatasetRequest& request, Encoder encoder) = 0;
  // Encodes a chat as this dataset's sequences contain it. Called from any thread.
  virtual ChatReply render(const Options&, const ChatRequest&, Encoder) { throw Unsupported("this dataset knows no chats"); }

  // Converts documents to files in this dataset's own form.
  virtual DatasetBuildReply build(const Options&, const DatasetBuildRequest&, Encoder) {
    throw Unsupported("this dataset reads files as they are and makes none");
  }

  // Calls go through this base class, so the overrides of P may be private.
  template <class P>
  static Dataset& plugin() {
    return *detail::the<P>();
  }

  template <class P>
  static const void* table() {
    static const corral_dataset t{
        CORRAL_SIZE(corral_dataset),
        [](const void* r, uint64_t n, const corral_encoder* encoder, corral_dataset_instance** instance) {
          return detail::guarded([&] {
            const DatasetRequest q = DatasetRequest::decode(r, n);
            *instance =
                reinterpret_cast<corral_dataset_instance*>(plugin<P>().open(Options::decode(q.options), q, Encoder(encoder)).release());
          });
        },
        [](corral_dataset_instance* instance, const corral_sink* s) {
          return detail::guarded([&] { detail::reply_with(s, reinterpret_cast<DatasetInstance*>(instance)->info().encode()); });
        },
        [](corral_dataset_instance* instance, uint64_t part, uint64_t first_row, uint64_t rows, const corral_batch* batch) {
          return detail::guarded([&] { reinterpret_cast<DatasetInstance*>(instance)->fetch(part, first_row, rows, *batch); });
        },
        [](corral_dataset_instance* instance) { return detail::guarded([&] { delete reinterpret_cast<DatasetInstance*>(instance); }); },
        [](corral_dataset_instance* instance, const void* r, uint64_t n, const corral_sink* s) {
          return detail::answer<SampleQuery>(
              r, n, s, [&](const SampleQuery& q) { return reinterpret_cast<DatasetInstance*>(instance)->inspect(q); });
        },
        [](const void* r, uint64_t n, const corral_encoder* encoder, const corral_sink* s) {
          return detail::answer<ChatRequest>(
              r, n, s, [&](const ChatRequest& q) { return plugin<P>().render(Options::decode(q.options), q, Encoder(encoder)); });
        },
        [](const void* r, uint64_t n, const corral_encoder* encoder, const corral_sink* s) {
          return detail::answer<DatasetBuildRequest>(
              r, n, s, [&](const DatasetBuildRequest& q) { return plugin<P>().build(Options::decode(q.options), q, Encoder(encoder)); });
        }};
    return &t;
  }
};

}  // namespace corral
