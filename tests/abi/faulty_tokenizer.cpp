// A tokenizer whose training asks for text in a thread of its own, which a [control] function must not do.
#include <thread>

#include "corral/tokenizer.h"
#include "tests/abi/faulty.h"

namespace {
using namespace corral;

class Faulty final : public Tokenizer<NoOptions> {
  Probe probe(const std::string&) override { return {}; }
  std::unique_ptr<TokenizerInstance> open(const std::string&, const Options&) override { throw Unsupported("it opens nothing"); }
  FileList train(const TokenizerTrainRequest&, const TextSource& source) override {
    std::thread([&] {
      try {
        std::string_view text;
        while (source(text)) {
        }
      } catch (const Error&) {
      }
    }).join();
    return {};
  }
};
}  // namespace

CORRAL_PLUGIN(Faulty)
