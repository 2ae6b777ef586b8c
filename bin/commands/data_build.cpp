// `corral data build`: converts text to files that are read without a tokenizer.
#include <chrono>
#include <cstdio>

#include "bin/job/job.h"
#include "bin/terminal/json.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/tokenizer_flag.h"
#include "bin/terminal/voice.h"
#include "corral/error.h"
#include "kernel/plugin/schemas.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    {"data", Flag::kPaths, "FILE", "JSONL with \"text\" or \"input_ids\", plain files, folders of them, patterns", ""},
    kTokenizerFlag,
    {"out", Flag::kValue, "PREFIX", "names of the files: PREFIX.bin, PREFIX.idx", ""},
    {"method", Flag::kValue, "PLUGIN", "dataset plugin to make files for (indexed)", ""},
    {"threads", Flag::kValue, "N", "threads; 0: all cores", ""},
    {"json", Flag::kNothing, "", "print one JSON object", ""},
    kTokenizerOptions,
};

int run(const Arguments& arguments) {
  if (!arguments.has("data")) fail("data build needs text: --data FILE");
  if (!arguments.has("out")) fail("data build needs the name of the files to write: --out PREFIX");
  const int64_t threads = arguments.integer("threads", 0);
  if (arguments.has("set") && !arguments.has("tokenizer")) fail("--set are options of a tokenizer: name it with --tokenizer PATH");
  if (threads < 0 || threads > 1024) fail("--threads = {}: expected a number from 0 to 1024", threads);
  DatasetBuildRequest request;
  request.paths = arguments.list("data");
  request.out = arguments.text("out");
  request.threads = static_cast<uint32_t>(threads);
  request.end_of_text_id = -1;
  std::shared_ptr<const TokenizerHandle> tokenizer;  // rows of ids need none
  if (arguments.has("tokenizer")) {
    tokenizer = tokenizer_of(arguments);
    const TokenizerInfo info = tokenizer->info();
    request.end_of_text_id = info.end_of_text_id;
    request.num_ids = info.num_ids;
  }
  const auto plugin = host_of(arguments).plugins.load("dataset", arguments.text("method", "indexed"));
  const auto begin = std::chrono::steady_clock::now();
  const DatasetBuildReply reply = build_dataset(*plugin, request, tokenizer.get());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (arguments.has("json")) {
    print_json(
        {{"files", reply.files}, {"path", reply.path}, {"documents", reply.documents}, {"tokens", reply.tokens}, {"bytes", reply.bytes}});
  } else {
    for (const std::string& file : reply.files) std::printf("%s\n", file.c_str());
  }
  const auto number = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  const std::string speed =
      reply.bytes > 0 ? printed(" of %llu bytes, %.1f MB/s", number(reply.bytes), static_cast<double>(reply.bytes) / 1e6 / seconds) : "";
  say(printed("%s: %llu documents, %llu tokens%s, in %.1f s", reply.path.c_str(), number(reply.documents), number(reply.tokens),
              speed.c_str(), seconds));
  return 0;
}

}  // namespace

extern const Command command_data_build{
    "data build", "turn text into files of token ids that a dataset reads without conversion", "", kFlags, {}, run};

}  // namespace corral::cli
