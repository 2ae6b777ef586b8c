// `corral tokenizer train`: trains a tokenizer on text and writes its folder.
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "bin/job/text_documents.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/voice.h"
#include "corral/error.h"
#include "kernel/plugin/tokenizer.h"

namespace corral::cli {
namespace {
namespace fs = std::filesystem;

constexpr Flag kFlags[] = {
    {"data", Flag::kPaths, "FILE", "text to learn from: JSONL with \"text\", plain files, or folders of them", ""},
    {"vocab-size", Flag::kValue, "N", "ids in all: bytes, merged tokens and special ones", ""},
    {"out", Flag::kValue, "DIR", "folder to write", ""},
    {"method", Flag::kValue, "PLUGIN", "tokenizer plugin that trains (hf)", ""},
    {"threads", Flag::kValue, "N", "threads; 0: all cores", ""},
};

int run(const Arguments& arguments) {
  if (!arguments.has("data")) fail("tokenizer train needs text: --data FILE");
  if (!arguments.has("vocab-size")) fail("tokenizer train needs the number of ids: --vocab-size N");
  if (!arguments.has("out")) fail("tokenizer train needs the folder to write: --out DIR");
  const int64_t vocab_size = arguments.integer("vocab-size", 0), threads = arguments.integer("threads", 0);
  if (vocab_size < 1 || vocab_size > INT32_MAX) fail("--vocab-size = {}: expected a number from 1 to {}", vocab_size, INT32_MAX);
  if (threads < 0 || threads > 1024) fail("--threads = {}: expected a number from 0 to 1024", threads);
  TokenizerTrainRequest request;
  request.vocab_size = static_cast<uint32_t>(vocab_size);
  request.out = arguments.text("out");
  request.threads = static_cast<uint32_t>(threads);

  job::Documents documents(job::text_files(arguments.list("data")), "text");
  uint64_t count = 0, bytes = 0;
  const auto begin = std::chrono::steady_clock::now();
  const TokenizerMethod method(host_of(arguments).plugins.load("tokenizer", arguments.text("method", "hf")));
  method.train(request, [&](std::string_view& text) {
    if (!documents.next(text)) return false;
    ++count;
    bytes += text.size();
    return true;
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  say(printed("%s: %lld ids, learned from %llu documents, %llu bytes, in %.1f s", request.out.c_str(), static_cast<long long>(vocab_size),
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(bytes), seconds));
  return 0;
}

}  // namespace

extern const Command command_tokenizer_train{"tokenizer train", "train a tokenizer on text", "", kFlags, {}, run};

}  // namespace corral::cli
