// `corral generate`: continues prompts.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "bin/job/end_tokens.h"
#include "bin/job/job.h"
#include "bin/job/settings.h"
#include "bin/job/text_stream.h"
#include "bin/terminal/graph_dump.h"
#include "bin/terminal/json.h"
#include "bin/terminal/model_flags.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/prompts.h"
#include "bin/terminal/sampling.h"
#include "bin/terminal/sources.h"
#include "bin/terminal/voice.h"
#include "corral/abi.h"
#include "corral/error.h"
#include "kernel/generate/generator.h"

namespace corral::cli {
namespace {

constexpr Flag kOwnFlags[] = {
    {"adapter", Flag::kValue, "DIR", "folder of an adapter to apply to the model", ""},
    {"checkpoint", Flag::kValue, "PATH", "run directory, checkpoint or model folder to run", ""},
    {"hf-model", Flag::kValue, "DIR", "Hugging Face folder to run; with another model, its configuration and tokenizer", ""},
    {"megatron-path", Flag::kValue, "DIR", "Megatron folder to run", ""},
    {"prompt", Flag::kPaths, "TEXT", "text to continue; - reads standard input", ""},
    {"prompts", Flag::kValue, "FILE", "JSONL file, each line with \"prompt\" or \"input_ids\"", ""},
    {"max-new-tokens", Flag::kValue, "N", "end after this many tokens (100)", ""},
    {"stop", Flag::kPaths, "TEXT", "end where this text appears", ""},
    {"raw", Flag::kNothing, "", "no begin token before a prompt, and special tokens are shown", ""},
    {"ignore-eos", Flag::kNothing, "", "do not end at an end token", ""},
    {"stream", Flag::kNothing, "", "show text as it comes, even if the output is not a terminal", ""},
    {"batch-size", Flag::kValue, "N", "prompts that are computed at once (8 at most)", ""},
    {"json", Flag::kNothing, "", "print one JSON object a prompt", ""},
};
constexpr const char* kShared[] = {"recipe", "config", "set", "model", "tokenizer", "precision", "peft",
                                   "tp",     "pp",     "vp",  "cp",    "device",    "dump-graph"};
constexpr auto kFlags = with_sampling(kOwnFlags);

// A text being generated.
struct Text {
  std::vector<int32_t> ids;
  std::optional<job::TextStream> stream;
  generate::Finish finish = generate::Finish::kLength;
  bool ended = false;
};

class Generation {
 public:
  Generation(const Arguments& arguments, const job::Host& host, const config::RunConfig& config, const job::ModelSource& source)
      : arguments_(arguments),
        host_(host),
        config_(config),
        source_(source),
        tokenizer_(open_tokenizer(host, config, source)),
        prompts_(read_prompts(arguments, tokenizer_.get(), config.integer("model.vocab_size"))),
        sampling_(sampling(arguments, source)),
        pipeline_(printing_stages(arguments, make_pipeline(host, config))),
        new_tokens_(arguments.integer("max-new-tokens", 100)),
        session_(open_device(host, config), graphs()) {
    limits_.max_new_tokens = static_cast<uint64_t>(new_tokens_);
    if (!arguments.has("ignore-eos")) limits_.end_ids = job::end_tokens(source, tokenizer_.get());
  }

  int run() {
    if (ends_with_graph(arguments_, pipeline_, [&]() -> const runtime::Session& { return session_; })) return 0;
    job::allocate(session_, "to use less: a smaller --batch-size or --max-new-tokens, or --precision bf16");
    load_parameters(source_, pipeline_, session_);
    live_ = !arguments_.has("json") && prompts_.size() == 1 && (arguments_.has("stream") || isatty(STDOUT_FILENO));
    texts_.resize(prompts_.size());
    std::vector<std::vector<int32_t>> ids;
    for (size_t i = 0; i < prompts_.size(); ++i) {
      texts_[i].stream.emplace(tokenizer_.get(), arguments_.list("stop"), arguments_.has("raw"));
      ids.push_back(prompts_[i].ids);
    }
    generate::Generator generator(session_);
    const generate::Speed speed = generator.run(ids, sampling_, limits_,
                                                {[&](size_t p, int32_t id) { return take(p, id); },
                                                 [&](size_t p, generate::Finish finish) {
                                                   texts_[p].finish = finish;
                                                   texts_[p].ended = true;
                                                   print_ended();
                                                 }});
    report(speed);
    return 0;
  }

 private:
  std::vector<runtime::Prepared> graphs() const {
    if (new_tokens_ < 0) fail("--max-new-tokens = {}: needs a number from 0 on", new_tokens_);
    size_t longest = 0;
    for (const Prompt& p : prompts_) longest = std::max(longest, p.ids.size());
    const int64_t cache = static_cast<int64_t>(longest) + new_tokens_, most = config_.integer("model.max_position_embeddings");
    if (cache > most)
      fail("{} tokens of the prompt and {} new ones are more than the model's {} token positions: --max-new-tokens {} would fit", longest,
           new_tokens_, most, std::max<int64_t>(0, most - static_cast<int64_t>(longest)));
    const int64_t asked = arguments_.integer("batch-size", 8), slots = std::min(asked, static_cast<int64_t>(prompts_.size()));
    if (asked < 1) fail("--batch-size = {}: needs a number from 1 on", asked);
    std::vector<runtime::Prepared> graphs;
    for (const int64_t size : generate::Generator::kSizes) graphs.push_back(pipeline_.generation(slots, size, cache));
    return graphs;
  }

  bool take(size_t p, int32_t id) {
    Text& text = texts_[p];
    text.ids.push_back(id);
    const bool goes_on = text.stream->add(id);
    if (live_) show(text.stream->take());
    return goes_on;
  }

  static void show(const std::string& piece) {
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    std::fflush(stdout);
  }

  // Prints the finished texts in the order of the prompts.
  void print_ended() {
    for (; printed_ < texts_.size() && texts_[printed_].ended; ++printed_) {
      Text& text = texts_[printed_];
      text.stream->end();
      if (!arguments_.has("json")) {
        show(text.stream->take() + "\n");
        continue;
      }
      nlohmann::ordered_json json;
      if (prompts_[printed_].text) json["prompt"] = *prompts_[printed_].text;
      json["input_ids"] = prompts_[printed_].ids;
      json["output_ids"] = text.ids;
      json["text"] = text.stream->take();
      json["finish"] = text.finish == generate::Finish::kStop ? "stop" : "length";
      print_json(json, -1);
    }
    std::fflush(stdout);
  }

  static void report(const generate::Speed& s) {
    const auto rate = [](uint64_t n, double seconds) { return seconds > 0 ? static_cast<double>(n) / seconds : 0; };
    say(printed("prompt: %llu tokens, %.1f tokens/s; decode: %llu tokens, %.1f tokens/s", static_cast<unsigned long long>(s.prompt_tokens),
                rate(s.prompt_tokens, s.prompt_seconds), static_cast<unsigned long long>(s.new_tokens), rate(s.decoded, s.decode_seconds)));
  }

  const Arguments& arguments_;
  const job::Host& host_;
  const config::RunConfig& config_;
  const job::ModelSource& source_;
  std::shared_ptr<const TokenizerHandle> tokenizer_;
  std::vector<Prompt> prompts_;
  generate::Sampling sampling_;
  train::Pipeline pipeline_;
  int64_t new_tokens_;
  runtime::Session session_;
  generate::Limits limits_;
  std::vector<Text> texts_;
  size_t printed_ = 0;
  bool live_ = false;
};

int run(const Arguments& arguments) {
  const job::Host& host = host_of(arguments);
  const job::WantedModel wanted = wanted_model(arguments, "generate");
  if (arguments.has("stream") && arguments.has("json"))
    fail("--stream shows text as it comes, --json prints whole objects: give one of them");
  if (arguments.has("stream") && arguments.has("prompts")) fail("--stream shows one text as it comes: give it with --prompt TEXT");
  const config::Sources from = sources(arguments);
  const job::ModelSource source = open_model(host, wanted);
  const config::RunConfig config = configure_to_run(host, from, source);
  return job::naming_who_set_it(config, [&] { return Generation(arguments, host, config, source).run(); });
}

}  // namespace

extern const Command command_generate{"generate", "continue text with a model", "", kFlags, kShared, run, Ranks::kAll};

}  // namespace corral::cli
