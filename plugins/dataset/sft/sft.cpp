// Dataset of prompts with answers and of chats: only the assistant's tokens are trained.
#include <cstdio>
#include <optional>

#include "corral/dataset.h"
#include "options.wire.h"
#include "plugins/dataset/common/measure.h"
#include "plugins/dataset/common/messages.h"
#include "plugins/dataset/common/paths.h"
#include "plugins/dataset/common/permutation.h"
#include "plugins/dataset/common/row_sequence.h"
#include "plugins/dataset/common/split.h"
#include "plugins/dataset/sft/report.h"
#include "plugins/dataset/sft/row_writer.h"
#include "plugins/dataset/sft/sample_rows.h"
#include "plugins/dataset/sft/sample_set.h"

namespace {
using corral::DatasetPart;
using corral::data::lend;
using corral::data::RowSequence;
using corral::sft::SampleRows;
using corral::sft::SampleSet;

// The id of a special token, or nothing if the tokenizer does not have it.
std::optional<int32_t> id_of(const char* token, const corral::data::Encoder& encoder) {
  std::vector<int32_t> ids;
  encoder.encode(token, ids);
  return ids.size() == 1 ? std::optional(ids[0]) : std::nullopt;
}

// The id that ends a turn of the template. Throws Error if the template's marks are ordinary text to the tokenizer: no turn would ever end.
int32_t end_of_turn(const corral::sft::ChatTemplate& chat, const corral::data::Encoder& encoder) {
  for (const char* mark : corral::sft::ChatTemplate::kMarks)
    if (!id_of(mark, encoder))
      corral::fail(
          "the tokenizer has no token {}, which the template {} writes: use the tokenizer of an Instruct model, or data.template=none",
          mark, chat.name());
  return *id_of(corral::sft::ChatTemplate::kEndOfTurn, encoder);
}

bool trains_all(const std::string& loss) {
  if (loss != "assistant" && loss != "all")
    corral::fail("data.loss = \"{}\": expected assistant or all{}", loss, corral::did_you_mean(loss, {"assistant", "all"}));
  return loss == "all";
}

class SftInstance final : public corral::DatasetInstance {
 public:
  SftInstance(const corral::DatasetRequest& request, const corral::dataset::sft::Options& options, const corral::data::Encoder& encoder)
      : request_(request), writer_(request.row_template, request.chat_template, options.template_date) {
    const std::vector<corral::data::Source> sources = corral::data::parse_paths(request.paths);
    std::vector<std::string> files;
    std::vector<size_t> source_of_file;
    for (size_t i = 0; i < sources.size(); ++i)
      for (const std::string& file : sources[i].files) files.push_back(file), source_of_file.push_back(request.whole ? 0 : i);
    set_ = SampleSet::read(files,
                           {.seq_length = static_cast<size_t>(request.seq_length),
                            .seed = request.seed,
                            .threads = request.threads,
                            .train_all = trains_all(options.loss)},
                           writer_, encoder);
    settle_ends(encoder);
    note_totals();
    make_parts(sources, source_of_file);
  }

  corral::DatasetInfo info() override { return info_; }
  corral::SampleReport inspect(const corral::SampleQuery& query) override { return corral::sft::report(set_, query); }

  void fetch(uint64_t part, uint64_t first_row, uint64_t rows, const corral_batch& batch) override {
    if (part >= parts_.size()) corral::fail_bug("part {} of a dataset with {} parts", part, parts_.size());
    if (parts_[part].empty()) corral::fail("the {} part of the data has no rows", info_.parts[part].name);
    parts_[part].fetch(first_row, rows, static_cast<size_t>(request_.seq_length),
                       {batch.tokens, batch.targets, batch.positions, batch.first_key});
  }

 private:
  void settle_ends(const corral::data::Encoder& encoder) {
    bool chats = false, plain = false;
    for (const SampleSet::Entry& e : set_.entries) {
      const corral::sft::Form form = set_.forms[e.file];
      if (form == corral::sft::Form::kIds) continue;
      (writer_.writes_chats(form) ? chats : plain) = true;
    }
    if (chats) {
      info_.stop_ids.push_back(end_of_turn(writer_.chat_template(), encoder));
      info_.chat_template = writer_.jinja();
    }
    if (plain) info_.stop_ids.push_back(encoder.end_of_text);
  }

  void note_totals() {
    for (size_t i = 0; i < set_.files.size(); ++i)
      info_.notices.push_back(corral::format("{}: rows of {}, {}", set_.files[i], name_of(set_.forms[i]), writer_.describe(set_.forms[i])));
    uint64_t tokens = 0, trained = 0, truncated = 0;
    for (const SampleSet::Entry& e : set_.entries) tokens += e.tokens, trained += e.trained, truncated += e.truncated;
    info_.notices.push_back(
        corral::format("{} samples, {} tokens, {} of them trained", set_.entries.size(), tokens, trained) +
        (truncated ? corral::format("; {} cut to train.seq_length = {}", truncated, request_.seq_length) : std::string()));
  }

  void make_parts(const std::vector<corral::data::Source>& sources, const std::vector<size_t>& source_of_file) {
    using namespace corral::data;
    const std::array<double, kParts> shares =
        request_.whole ? std::array<double, kParts>{1, 0, 0} : parse_split(request_.split.empty() ? "98,1,1" : request_.split);
    std::vector<uint64_t> hashes;
    for (const SampleSet::Entry& e : set_.entries) hashes.push_back(e.hash);
    const Splitter splitter(std::move(hashes), shares);
    for (int part = 0; part < (request_.whole ? 1 : kParts); ++part) {
      parts_.emplace_back(request_.whole     ? RowSequence::Order::kOnce
                          : request_.shuffle ? RowSequence::Order::kShuffled
                                             : RowSequence::Order::kOfTheFile);
      DatasetPart info;
      info.name = request_.whole ? "all" : kPartNames[static_cast<size_t>(part)];
      uint64_t places = 0;
      for (size_t source = 0; source < (request_.whole ? 1 : sources.size()); ++source) {
        std::vector<uint32_t> entries;
        for (size_t i = 0; i < set_.entries.size(); ++i)
          if (source_of_file[set_.entries[i].file] == source && splitter.part(set_.entries[i].hash) == part)
            entries.push_back(static_cast<uint32_t>(i));
        add_source(std::move(entries), source, sources[source].weight, part, info, places);
      }
      if (request_.packed && info.rows > 0) say_packing(info, places);
      info_.parts.push_back(std::move(info));
    }
  }

  void add_source(std::vector<uint32_t> entries, size_t source, double weight, int part, DatasetPart& info, uint64_t& places) {
    using corral::data::mix;
    for (const uint32_t e : entries) info.tokens += set_.entries[e].tokens;
    info.documents += entries.size();
    auto rows = std::make_unique<SampleRows>(set_, std::move(entries), static_cast<uint32_t>(request_.seq_length), request_.packed);
    if (rows->rows() == 0) return;
    const corral::data::Targets targets = measure_targets(*rows, static_cast<uint64_t>(request_.seq_length));
    const double nats =
        info.unigram_entropy * static_cast<double>(info.targets) + targets.unigram_entropy * static_cast<double>(targets.count);
    info.rows += rows->rows();
    info.targets += targets.count;
    info.unigram_entropy = info.targets > 0 ? nats / static_cast<double>(info.targets) : 0;
    places += rows->places();
    parts_.back().add(std::move(rows), weight, mix(request_.seed ^ mix(source * corral::data::kParts + static_cast<uint64_t>(part))));
  }

  void say_packing(const DatasetPart& info, uint64_t places) {
    const double all = static_cast<double>(info.rows) * static_cast<double>(request_.seq_length);
    char share[16];
    std::snprintf(share, sizeof share, "%.2f", 100 * (1 - static_cast<double>(places) / all));
    info_.notices.push_back(corral::format("{}: {} samples packed into {} rows of {}, {}% padding", info.name, info.documents, info.rows,
                                           request_.seq_length, share));
  }

  const corral::DatasetRequest request_;
  const corral::sft::RowWriter writer_;
  SampleSet set_;
  corral::DatasetInfo info_;
  std::vector<RowSequence> parts_;
};

class Sft final : public corral::Dataset<corral::dataset::sft::Options> {
 public:
  std::unique_ptr<corral::DatasetInstance> open(const Options& options, const corral::DatasetRequest& request,
                                                corral::Encoder host) override {
    if (request.seq_length < 1 || request.seq_length > 1 << 30)
      corral::fail("train.seq_length = {}: expected 1 to 2^30", request.seq_length);
    return std::make_unique<SftInstance>(request, options, lend(host, request.end_of_text_id, request.num_ids));
  }

  corral::ChatReply render(const Options& options, const corral::ChatRequest& request, corral::Encoder host) override {
    const corral::sft::RowWriter writer(request.row_template, request.chat_template, options.template_date);
    const corral::sft::ChatTemplate& chosen = writer.chat_template();
    const corral::data::Encoder encoder = lend(host, -1, 0);
    corral::sft::Chat chat;
    for (const corral::ChatMessage& m : request.messages) chat.messages.push_back({m.role, m.content, {}, {}});
    corral::ChatReply reply;
    std::vector<int32_t> ids;
    for (const corral::sft::Piece& piece : chosen.write(chat, request.open_answer, {"chat"})) {
      encoder.encode(piece.text, ids);
      reply.ids.insert(reply.ids.end(), ids.begin(), ids.end());
    }
    reply.stop_ids.push_back(end_of_turn(chosen, encoder));
    reply.taken = chosen.name();
    return reply;
  }
};

}  // namespace

CORRAL_PLUGIN(Sft)
