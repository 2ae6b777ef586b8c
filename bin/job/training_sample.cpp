#include "bin/job/training_sample.h"

#include "bin/job/text_stream.h"
#include "corral/abi.h"
#include "corral/error.h"

namespace corral::job {
namespace {

std::string on_one_line(const std::string& text) {
  std::string line;
  for (const char c : text) {
    if (c == '\n')
      line += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      line += ' ';
    else
      line += c;
  }
  return line;
}

}  // namespace

TrainingSample::TrainingSample(const config::RunConfig& config, std::shared_ptr<const TokenizerHandle> tokenizer)
    : tokenizer_(std::move(tokenizer)) {
  const auto by = config.set_by("train.sample_interval");
  if (!tokenizer_)
    fail("train.sample_interval = {}: a sample of text needs a tokenizer: --tokenizer PATH{}", config.integer("train.sample_interval"), by);
  const TokenizerInfo info = tokenizer_->info();
  const std::string& prompt = config.text("train.sample_prompt");
  ids_ = tokenizer_->encode(prompt, CORRAL_ADD_SPECIAL);
  // The end-of-text token separates documents, so the text after it begins a new one.
  if (ids_.empty() && info.end_of_text_id >= 0) ids_ = {static_cast<int32_t>(info.end_of_text_id)};
  if (ids_.empty()) fail("train.sample_prompt is empty, and the tokenizer has no token that begins a text: --sample-prompt TEXT{}", by);
  const int64_t rows = config.integer("model.vocab_size"), most = config.integer("model.max_position_embeddings");
  for (const int32_t id : ids_)
    if (id >= rows) fail("train.sample_prompt: the tokenizer gives id {}, but the model's vocabulary has {} ids", id, rows);
  if (static_cast<int64_t>(ids_.size() + kNewTokens) > most)
    fail("train.sample_prompt has {} tokens, and {} more do not fit into the model's {} token positions", ids_.size(), kNewTokens, most);
  for (const int64_t id : info.eos_ids) limits_.end_ids.insert(static_cast<int32_t>(id));
  limits_.max_new_tokens = kNewTokens;
  sampling_.temperature = 0.7;
  sampling_.seed = static_cast<uint64_t>(config.integer("train.seed"));
}

void TrainingSample::add_graphs(const train::Pipeline& pipeline, std::vector<runtime::Prepared>& graphs) {
  for (const int64_t size : generate::Generator::kSizes)
    graphs.push_back(pipeline.generation(1, size, static_cast<int64_t>(ids_.size() + kNewTokens)));
}

void TrainingSample::open(runtime::Session& session) { generator_ = std::make_unique<generate::Generator>(session); }

std::string TrainingSample::write() {
  TextStream stream(tokenizer_.get(), {}, false);
  for (const int32_t id : ids_) stream.add(id);
  generator_->run({ids_}, sampling_, limits_, {[&](size_t, int32_t id) { return stream.add(id); }, [](size_t, generate::Finish) {}});
  stream.end();
  return on_one_line(stream.take());
}

}  // namespace corral::job
