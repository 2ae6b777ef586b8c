// `corral tokenizer encode`: encodes text to ids, one array per line.
#include <chrono>
#include <cstdio>

#include "bin/job/text_documents.h"
#include "bin/terminal/tokenizer_flag.h"
#include "bin/terminal/voice.h"
#include "corral/abi.h"
#include "corral/error.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    kTokenizerFlag,
    {"data", Flag::kPaths, "FILE", "JSONL with \"text\", a line each; plain files and -, standard input, as one text each", ""},
    {"text", Flag::kPaths, "TEXT", "a text instead of files", ""},
    {"no-special", Flag::kNothing, "", "no begin token before a text", ""},
    {"plain", Flag::kNothing, "", "text that spells a special token is ordinary text", ""},
    {"json", Flag::kNothing, "", "a JSON array of ids a line", ""},
    kTokenizerOptions,
};

void print(const std::vector<int32_t>& ids, bool json) {
  std::string line = json ? "[" : "";
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) line += json ? ", " : " ";
    line += std::to_string(ids[i]);
  }
  line += json ? "]\n" : "\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
}

int run(const Arguments& arguments) {
  const auto tokenizer = tokenizer_of(arguments);
  if (arguments.has("data") && arguments.has("text")) fail("--data and --text: give one of them");
  const uint64_t flags = (arguments.has("no-special") ? 0 : CORRAL_ADD_SPECIAL) | (arguments.has("plain") ? CORRAL_PLAIN_TEXT : 0);
  uint64_t bytes = 0, count = 0;
  double seconds = 0;
  const auto encode = [&](std::string_view text) {
    const auto begin = std::chrono::steady_clock::now();
    const std::vector<int32_t> ids = tokenizer->encode(text, flags);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    bytes += text.size();
    count += ids.size();
    print(ids, arguments.has("json"));
  };
  if (arguments.has("text")) {
    for (const std::string& text : arguments.list("text")) encode(text);
  } else {
    job::Documents documents(job::text_files(arguments.has("data") ? arguments.list("data") : std::vector<std::string>{"-"}), "text");
    for (std::string_view text; documents.next(text);) {
      try {
        encode(text);
      } catch (const Error& e) {
        throw Error(e.exit_code(), documents.place() + ": " + e.what());
      }
    }
  }
  say(printed("%llu bytes, %llu ids, %.1f MB/s", static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(count),
              seconds > 0 ? static_cast<double>(bytes) / seconds / 1e6 : 0));
  return 0;
}

}  // namespace

extern const Command command_tokenizer_encode{"tokenizer encode", "turn text into ids", "", kFlags, {}, run};

}  // namespace corral::cli
