// `corral chat`: a conversation with a model, turn by turn; each line of the input is a turn of the user.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "bin/job/chat_template.h"
#include "bin/job/end_tokens.h"
#include "bin/job/job.h"
#include "bin/job/settings.h"
#include "bin/job/text_stream.h"
#include "bin/terminal/graph_dump.h"
#include "bin/terminal/line_reader.h"
#include "bin/terminal/model_flags.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/sampling.h"
#include "bin/terminal/sources.h"
#include "bin/terminal/voice.h"
#include "corral/abi.h"
#include "corral/error.h"
#include "kernel/generate/generator.h"
#include "kernel/train/stop.h"

namespace corral::cli {
namespace {

constexpr Flag kOwnFlags[] = {
    {"checkpoint", Flag::kValue, "PATH", "run directory, checkpoint or model folder to talk to", ""},
    {"adapter", Flag::kValue, "DIR", "folder of an adapter to apply to the model", ""},
    {"system", Flag::kPaths, "TEXT", "system prompt: text before the first turn", ""},
    {"max-new-tokens", Flag::kValue, "N", "end an answer after this many tokens (500)", ""},
    {"max-length", Flag::kValue, "N", "most tokens of a whole conversation (4096, or the model's token positions if fewer)", ""},
};
constexpr const char* kShared[] = {"recipe", "config", "set", "model", "dataset", "tokenizer", "precision",
                                   "peft",   "tp",     "pp",  "vp",    "cp",      "device",    "dump-graph"};
constexpr auto kFlags = with_sampling(kOwnFlags);

std::vector<std::string> settings() {
  std::vector<std::string> names{"max-new-tokens"};
  for (const SamplingFlag& f : kSampling) names.emplace_back(f.flag.name);
  return names;
}

std::string help() {
  std::string keys;
  for (const std::string& name : settings()) keys += (keys.empty() ? "" : ", ") + name;
  return "/reset            forget the conversation\n"
         "/system [TEXT]    set the system prompt; without TEXT: remove it\n"
         "/set KEY VALUE    " +
         keys +
         "\n"
         "/exit             leave; the end of the input does the same\n"
         "Ctrl-C            stops an answer";
}

std::string history_file() {
  const char *state = std::getenv("XDG_STATE_HOME"), *home = std::getenv("HOME");
  if (state && *state) return std::string(state) + "/corral/chat_history";
  return home && *home ? std::string(home) + "/.local/state/corral/chat_history" : "";
}

double number_of(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return text.empty() || *end != '\0' ? NAN : value;
}

class Conversation {
 public:
  Conversation(const Arguments& arguments, const job::Host& host, const config::RunConfig& config, const job::ModelSource& source)
      : tokenizer_(open_tokenizer(host, config, source)),
        writer_(host.plugins.load("dataset", config.plugin("dataset", true))),
        sampling_(sampling(arguments, source)),
        pipeline_(printing_stages(arguments, make_pipeline(host, config))),
        places_(places(arguments, config)),
        session_(open_device(host, config), graphs()) {
    if (!tokenizer_) fail("{}: no tokenizer there, and a chat needs one: --tokenizer DIR", source.path);
    limits_.max_new_tokens = static_cast<uint64_t>(arguments.integer("max-new-tokens", 500));
    limits_.end_ids = job::end_tokens(source, tokenizer_.get());
    limits_.keep_cache = true;
    request_.options = config.options("dataset");
    request_.row_template = config.text("data.template");
    request_.chat_template = job::chat_template_of(tokenizer_->files().files);
    request_.open_answer = true;
    set_system(arguments.text("system"));
    // Fails before the weights are read if the chat cannot be written.
    const std::vector<ChatMessage> begun = request_.messages;
    request_.messages.push_back(message("user", ""));
    const ChatReply reply = render_chat(*writer_, request_, *tokenizer_);
    request_.messages = begun;
    say("chat template: " + reply.taken);
    for (const int64_t id : reply.stop_ids) limits_.end_ids.insert(static_cast<int32_t>(id));
    if (dumped_ = ends_with_graph(arguments, pipeline_, [&]() -> const runtime::Session& { return session_; }); dumped_) return;
    job::allocate(session_, "to use less: a smaller --max-length, or --precision bf16");
    load_parameters(source, pipeline_, session_);
    generator_.emplace(session_);
  }

  int run() {
    if (dumped_) return 0;
    LineReader lines("> ", history_file());
    if (lines.interactive()) say("/help lists the commands");
    while (const std::optional<std::string> line = lines.next()) {
      if (line->find_first_not_of(" \t\r") == std::string::npos) continue;
      if ((*line)[0] != '/') {
        answer(*line);
        continue;
      }
      if (*line == "/exit" || *line == "/quit") break;
      try {
        command(*line);
      } catch (const Error& e) {
        // A typing error ends a script, but not a session at a terminal.
        if (!lines.interactive()) throw;
        say(e.what());
      }
    }
    return 0;
  }

 private:
  static int64_t places(const Arguments& arguments, const config::RunConfig& config) {
    const int64_t most = config.integer("model.max_position_embeddings"),
                  wanted = arguments.integer("max-length", std::min<int64_t>(4096, most));
    if (wanted < 1 || wanted > most) fail("--max-length = {}: needs a number from 1 to {}, the model's token positions", wanted, most);
    return wanted;
  }

  std::vector<runtime::Prepared> graphs() const {
    std::vector<runtime::Prepared> graphs;
    for (const int64_t size : generate::Generator::kSizes) graphs.push_back(pipeline_.generation(1, size, places_));
    return graphs;
  }

  static ChatMessage message(const char* role, const std::string& content) {
    ChatMessage m;
    m.role = role;
    m.content = content;
    return m;
  }

  void set_system(const std::string& text) {
    std::erase_if(request_.messages, [](const ChatMessage& m) { return m.role == "system"; });
    if (!text.empty()) request_.messages.insert(request_.messages.begin(), message("system", text));
  }

  void answer(const std::string& question) {
    request_.messages.push_back(message("user", question));
    const ChatReply reply = render_chat(*writer_, request_, *tokenizer_);
    const auto length = static_cast<int64_t>(reply.ids.size());
    if (length >= places_) {
      request_.messages.pop_back();
      return say(
          format("the conversation would have {} tokens, but only {} fit: /reset begins anew, --max-length allows more", length, places_));
    }
    generate::Limits limits = limits_;
    limits.max_new_tokens = std::min(limits.max_new_tokens, static_cast<uint64_t>(places_ - length));
    job::TextStream stream(tokenizer_.get(), {}, false);
    std::vector<int32_t> said;
    const auto show = [&] {
      const std::string piece = stream.take();
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    };
    const train::StopSignals signals(train::StopSignals::kInterrupt);
    generate::Finish finish = generate::Finish::kStop;
    generator_->run({reply.ids}, sampling_, limits,
                    {[&](size_t, int32_t id) {
                       said.push_back(id);
                       const bool goes_on = stream.add(id) && !train::StopSignals::asked();
                       show();
                       return goes_on;
                     },
                     [&](size_t, generate::Finish f) { finish = f; }});
    stream.end();
    show();
    std::printf("\n");
    std::fflush(stdout);
    request_.messages.push_back(message("assistant", tokenizer_->decode(said, CORRAL_SKIP_SPECIAL)));
    if (train::StopSignals::asked())
      say("(stopped)");
    else if (finish == generate::Finish::kLength)
      say(format("(cut after {} tokens)", limits.max_new_tokens));
  }

  void command(const std::string& line) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(0, space), rest = line.substr(std::min(line.find_first_not_of(' ', space), line.size()));
    if (name == "/reset") {
      std::erase_if(request_.messages, [](const ChatMessage& m) { return m.role != "system"; });
    } else if (name == "/system") {
      set_system(rest);
    } else if (name == "/set") {
      const size_t end = std::min(rest.find_first_of(" ="), rest.size());
      set(rest.substr(0, end), rest.substr(std::min(rest.find_first_not_of(" =", end), rest.size())));
    } else if (name == "/help") {
      say(help());
    } else {
      fail("{}: no such command{}", name, did_you_mean(name, {"/reset", "/system", "/set", "/help", "/exit"}));
    }
  }

  void set(const std::string& key, const std::string& value) {
    const double number = number_of(value);
    const std::string said = format("/set {} {}", key, value);
    for (const SamplingFlag& f : kSampling)
      if (key == f.flag.name) return f.set(sampling_, checked(number, f.low, f.high, f.whole, said));
    if (key != "max-new-tokens") fail("/set {}: no such setting{}", key, did_you_mean(key, settings()));
    limits_.max_new_tokens = static_cast<uint64_t>(checked(number, 1, kMostSampled, true, said));
  }

  std::shared_ptr<const TokenizerHandle> tokenizer_;
  std::shared_ptr<const Plugin> writer_;
  generate::Sampling sampling_;
  train::Pipeline pipeline_;
  int64_t places_;
  runtime::Session session_;
  generate::Limits limits_;
  ChatRequest request_;
  std::optional<generate::Generator> generator_;
  bool dumped_ = false;
};

int run(const Arguments& arguments) {
  const job::Host& host = host_of(arguments);
  const std::string path = arguments.text("checkpoint");
  if (path.empty()) fail("chat needs a model: --checkpoint PATH");
  config::Sources from = sources(arguments);
  prefer_samples(from, "chat");
  const job::ModelSource source = open_model(host, model_at(arguments, path));
  const config::RunConfig config = configure_to_run(host, from, source);
  return job::naming_who_set_it(config, [&] { return Conversation(arguments, host, config, source).run(); });
}

}  // namespace

extern const Command command_chat{"chat", "talk with a model, turn by turn", "", kFlags, kShared, run, Ranks::kAll};

}  // namespace corral::cli
