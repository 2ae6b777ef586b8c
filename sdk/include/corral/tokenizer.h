// A tokenizer: encodes text to ids, decodes ids, and can be trained.
#pragma once

#include <functional>

#include "corral/plugin.h"

namespace corral {

class TokenizerInstance {
 public:
  virtual ~TokenizerInstance() = default;
  virtual TokenizerInfo info() = 0;
  virtual FileList files() = 0;
  // Returns the number of ids. Throws NoSpace if `capacity` is too small; size + 16 always suffices. Called from any thread.
  virtual uint64_t encode(std::string_view text, uint64_t flags, int32_t* ids, uint64_t capacity) = 0;
  virtual std::string decode(const int32_t* ids, uint64_t count, uint64_t flags) = 0;
  virtual std::string bytes_of(int32_t id, uint64_t flags) = 0;
};

// Returns the next document, or nothing after the last. The text is valid until the next call.
using TextSource = std::function<bool(std::string_view& text)>;

template <class OptionsMessage>
class Tokenizer {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_TOKENIZER_ID;
  virtual ~Tokenizer() = default;
  virtual Probe probe(const std::string& path) = 0;
  virtual std::unique_ptr<TokenizerInstance> open(const std::string& path, const Options& options) = 0;
  virtual FileList train(const TokenizerTrainRequest& request, const TextSource& source) = 0;

  // Calls go through this base class, so the overrides of P may be private.
  template <class P>
  static Tokenizer& plugin() {
    return *detail::the<P>();
  }

  template <class P>
  static const void* table() {
    using I = corral_tokenizer_instance;
    static const corral_tokenizer t{
        CORRAL_SIZE(corral_tokenizer),
        [](const char* path, const corral_sink* s) {
          return detail::guarded([&] { detail::reply_with(s, plugin<P>().probe(path).encode()); });
        },
        [](const char* path, const void* o, uint64_t n, I** instance) {
          return detail::guarded([&] { *instance = reinterpret_cast<I*>(plugin<P>().open(path, Options::decode(o, n)).release()); });
        },
        [](I* i, const corral_sink* s) { return detail::guarded([&] { detail::reply_with(s, self(i)->info().encode()); }); },
        [](I* i, const corral_sink* s) { return detail::guarded([&] { detail::reply_with(s, self(i)->files().encode()); }); },
        [](I* i, const char* text, uint64_t size, uint64_t flags, int32_t* ids, uint64_t capacity, uint64_t* count) {
          return detail::guarded([&] { *count = self(i)->encode({text, size}, flags, ids, capacity); });
        },
        [](I* i, const int32_t* ids, uint64_t count, uint64_t flags, const corral_sink* s) {
          return detail::guarded([&] { detail::reply_with(s, self(i)->decode(ids, count, flags)); });
        },
        [](I* i, int32_t id, uint64_t flags, const corral_sink* s) {
          return detail::guarded([&] { detail::reply_with(s, self(i)->bytes_of(id, flags)); });
        },
        [](I* i) { return detail::guarded([&] { delete self(i); }); },
        [](const void* r, uint64_t n, const corral_text_source* source, const corral_sink* s) {
          return detail::answer<TokenizerTrainRequest>(r, n, s, [&](const TokenizerTrainRequest& q) {
            return plugin<P>().train(q, [&](std::string_view& text) {
              const char* data = nullptr;
              uint64_t size = 0;
              if (source->next(source, &data, &size) != CORRAL_OK) throw Error(3, "the training text could not be read");
              text = data ? std::string_view(data, size) : std::string_view();
              return data != nullptr;
            });
          });
        }};
    return &t;
  }

 private:
  static TokenizerInstance* self(corral_tokenizer_instance* i) { return reinterpret_cast<TokenizerInstance*>(i); }
};

}  // namespace corral
