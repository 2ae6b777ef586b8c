// `corral tokenizer decode`: decodes ids to text, one text per line.
#include <cstdio>

#include "bin/job/text_documents.h"
#include "bin/terminal/json.h"
#include "bin/terminal/tokenizer_flag.h"
#include "corral/abi.h"
#include "corral/error.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {
    kTokenizerFlag,
    {"data", Flag::kPaths, "FILE", "JSONL: arrays of ids, or objects with \"input_ids\"", ""},
    {"ids", Flag::kValues, "ID", "ids instead of files", ""},
    {"no-special", Flag::kNothing, "", "leave special tokens out", ""},
    {"json", Flag::kNothing, "", "a JSON string a line", ""},
    kTokenizerOptions,
};

int run(const Arguments& arguments) {
  const auto tokenizer = tokenizer_of(arguments);
  if (arguments.has("data") == arguments.has("ids")) fail("tokenizer decode needs one of --data FILE.jsonl and --ids ID ...");
  const auto decode = [&](const std::vector<int32_t>& ids) {
    const std::string text = tokenizer->decode(ids, arguments.has("no-special") ? CORRAL_SKIP_SPECIAL : 0);
    if (arguments.has("json")) return print_json(text, -1);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fputc('\n', stdout);
  };
  std::vector<int32_t> ids;
  if (arguments.has("ids")) {
    for (const std::string& word : arguments.list("ids")) {
      size_t used = 0;
      const long id = word.empty() || word[0] < '0' || word[0] > '9' || word.size() > 9 ? -1 : std::stol(word, &used);
      if (id < 0 || used != word.size()) fail("--ids {}: expected an id", word);
      ids.push_back(static_cast<int32_t>(id));
    }
    decode(ids);
    return 0;
  }
  job::Documents documents(job::text_files(arguments.list("data")), "input_ids");
  while (documents.next(ids)) {
    try {
      decode(ids);
    } catch (const Error& e) {
      throw Error(e.exit_code(), documents.place() + ": " + e.what());
    }
  }
  return 0;
}

}  // namespace

extern const Command command_tokenizer_decode{"tokenizer decode", "turn ids into text", "", kFlags, {}, run};

}  // namespace corral::cli
