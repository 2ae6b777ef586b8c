// Host side of corral.tokenizer/1: a method, and an open tokenizer.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "kernel/plugin/instance.h"
#include "plugin.wire.h"

namespace corral {

class TokenizerHandle {
 public:
  TokenizerHandle(std::shared_ptr<const Plugin> plugin, corral_tokenizer_instance* instance)
      : instance_(std::move(plugin), instance, &corral_tokenizer::close, "close", "open") {}

  static TokenizerHandle open(std::shared_ptr<const Plugin> plugin, const std::string& path, const std::string& options) {
    corral_tokenizer_instance* instance = nullptr;
    invoke_control(*plugin, &corral_tokenizer::open, "open", path.c_str(), options.data(), options.size(), &instance);
    return {std::move(plugin), instance};
  }

  TokenizerInfo info() const {
    return decode_reply<TokenizerInfo>(plugin(), "info", invoke_for_reply(plugin(), &corral_tokenizer::info, "info", instance_.get()));
  }
  FileList files() const {
    return decode_reply<FileList>(plugin(), "files", invoke_for_reply(plugin(), &corral_tokenizer::files, "files", instance_.get()));
  }
  // `flags`: CORRAL_ADD_SPECIAL, CORRAL_PLAIN_TEXT. Safe from any thread.
  std::vector<int32_t> encode(std::string_view text, uint64_t flags = 0) const {
    std::vector<int32_t> ids(text.size() + 16);
    uint64_t count = 0;
    invoke(plugin(), &corral_tokenizer::encode, "encode", instance_.get(), text.data(), text.size(), flags, ids.data(), ids.size(), &count);
    if (count > ids.size()) detail::fail_reply(plugin(), "encode", "it says that it wrote more ids than there was room for");
    ids.resize(count);
    return ids;
  }
  // `flags`: CORRAL_SKIP_SPECIAL.
  std::string decode(const int32_t* ids, uint64_t count, uint64_t flags = 0) const {
    return invoke_for_reply(plugin(), &corral_tokenizer::decode, "decode", instance_.get(), ids, count, flags);
  }
  std::string decode(const std::vector<int32_t>& ids, uint64_t flags = 0) const { return decode(ids.data(), ids.size(), flags); }
  // The bytes of one id, which may be part of a character.
  std::string bytes_of(int32_t id, uint64_t flags = 0) const {
    return invoke_for_reply(plugin(), &corral_tokenizer::bytes_of, "bytes_of", instance_.get(), id, flags);
  }
  corral_tokenizer_instance* get() const { return instance_.get(); }
  const Plugin& plugin() const { return instance_.plugin(); }

 private:
  Instance<corral_tokenizer_instance, corral_tokenizer> instance_;
};

class TokenizerMethod {
 public:
  // Gives the next document, or returns false at the end. The text is valid until the next call. `train` passes on an exception.
  using Source = std::function<bool(std::string_view& text)>;

  explicit TokenizerMethod(std::shared_ptr<const Plugin> plugin) : plugin_(std::move(plugin)) {}

  Probe probe(const std::string& path) const {
    return decode_reply<Probe>(*plugin_, "probe", invoke_for_reply(*plugin_, &corral_tokenizer::probe, "probe", path.c_str()));
  }
  TokenizerHandle open(const std::string& path, const std::string& options) const { return TokenizerHandle::open(plugin_, path, options); }
  FileList train(const TokenizerTrainRequest& request, const Source& source) const;
  const Plugin& plugin() const { return *plugin_; }

 private:
  std::shared_ptr<const Plugin> plugin_;
};

}  // namespace corral
