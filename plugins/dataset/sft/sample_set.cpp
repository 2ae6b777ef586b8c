#include "plugins/dataset/sft/sample_set.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "corral/error.h"
#include "plugins/dataset/common/lines.h"
#include "plugins/dataset/common/mapped_file.h"
#include "plugins/dataset/common/parallel.h"
#include "plugins/dataset/common/paths.h"

namespace corral::sft {
namespace {

struct Block {
  size_t file, number;
  SampleSet samples;
};

bool narrow(const data::Encoder& encoder) { return encoder.num_ids > 0 && encoder.num_ids <= 65536; }

class BlockReader {
 public:
  BlockReader(const std::string& file, Form form, const SampleSet::Settings& settings, const RowWriter& writer,
              const data::Encoder& encoder, Block& block)
      : file_(file),
        form_(form),
        settings_(settings),
        writer_(writer),
        encoder_(encoder),
        maker_(encoder, settings.seq_length + 1, settings.train_all),
        block_(block) {}

  void read() {
    const data::MappedFile map(file_);
    bytes_ = map.bytes();
    block_.samples.tokens = data::TokenStore(narrow(encoder_));
    data::for_each_line(bytes_, block_.number, settings_.block_bytes, [&](std::string_view line, size_t at) { add(line, at); });
  }

 private:
  void add(std::string_view line, size_t at) {
    const Place place{file_, bytes_, at};
    const Json row = parse_row(line, place);
    if (const Form form = form_of(row, place); form != form_)
      fail("{}: a row of the form {}, but the file's first row has {}: keep the forms in separate files", place, name_of(form),
           name_of(form_));
    const Sample sample = form_ == Form::kIds
                              ? maker_.from(ids_of(row, encoder_.num_ids, place), place)
                              : maker_.from(writer_.write(row, form_, encoder_.end_of_text, place), writer_.writes_chats(form_));
    store(sample, at);
  }

  void store(const Sample& sample, size_t at) {
    SampleSet& to = block_.samples;
    SampleSet::Entry entry{.hash = XXH3_64bits_withSeed(sample.ids.data(), sample.ids.size() * sizeof(int32_t), settings_.seed),
                           .at = at,
                           .token = to.tokens.size(),
                           .span = to.spans.size(),
                           .tokens = static_cast<uint32_t>(sample.ids.size()),
                           .spans = 0,
                           .trained = 0,
                           .file = static_cast<uint32_t>(block_.file),
                           .fault = sample.fault,
                           .truncated = sample.truncated,
                           .trains_answer = sample.trains_answer,
                           .trains_end = sample.trains_end};
    to.tokens.append(sample.ids);
    for (uint32_t i = 0; i < entry.tokens; ++i) {
      if (!sample.trained[i]) continue;
      ++entry.trained;
      if (i == 0 || !sample.trained[i - 1]) to.spans.push_back({i, i});
      to.spans.back().end = i + 1;
    }
    entry.spans = static_cast<uint32_t>(to.spans.size() - entry.span);
    to.entries.push_back(entry);
  }

  const std::string& file_;
  const Form form_;
  const SampleSet::Settings& settings_;
  const RowWriter& writer_;
  const data::Encoder& encoder_;
  const SampleMaker maker_;
  Block& block_;
  std::string_view bytes_;
};

// Returns false if the file has no row.
bool first_form(const std::string& file, std::string_view bytes, Form& form) {
  size_t at = bytes.starts_with(data::kByteOrderMark) ? data::kByteOrderMark.size() : 0;
  for (; at < bytes.size(); at = std::min(bytes.find('\n', at), bytes.size()) + 1) {
    const std::string_view line = bytes.substr(at, bytes.find('\n', at) - at);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const Place place{file, bytes, at};
    form = form_of(parse_row(line, place), place);
    return true;
  }
  return false;
}

void append(SampleSet& all, const SampleSet& more) {
  const uint64_t token = all.tokens.size(), span = all.spans.size();
  all.tokens.append(more.tokens, 0, more.tokens.size());
  all.spans.insert(all.spans.end(), more.spans.begin(), more.spans.end());
  for (SampleSet::Entry entry : more.entries) {
    entry.token += token;
    entry.span += span;
    all.entries.push_back(entry);
  }
}

}  // namespace

SampleSet SampleSet::read(const std::vector<std::string>& files, const Settings& settings, const RowWriter& writer,
                          const data::Encoder& encoder) {
  SampleSet all;
  all.files = files;
  all.tokens = data::TokenStore(narrow(encoder));
  std::vector<Block> blocks;
  for (size_t file = 0; file < files.size(); ++file) {
    if (!data::is_jsonl(files[file])) fail("data.paths: {}: expected a .jsonl file with a sample per line", files[file]);
    const data::MappedFile map(files[file]);
    Form form{};
    const bool any = first_form(files[file], map.bytes(), form);
    all.forms.push_back(form);
    if (!any) continue;
    if (form != Form::kIds && !encoder.encode) fail("{}: text needs a tokenizer: name one with --tokenizer DIR", files[file]);
    for (size_t number = 0; number < data::blocks_of(map.bytes(), settings.block_bytes); ++number)
      blocks.push_back({file, number, SampleSet()});
  }
  data::in_parallel(blocks.size(), settings.threads, [&](size_t i) {
    BlockReader(files[blocks[i].file], all.forms[blocks[i].file], settings, writer, encoder, blocks[i]).read();
  });
  for (Block& block : blocks) {
    append(all, block.samples);
    block.samples = SampleSet();
  }
  if (all.entries.empty())
    fail("data.paths: no sample in {}{}", files.front(),
         files.size() > 1 ? format(" and {} other files", files.size() - 1) : std::string());
  return all;
}

std::string SampleSet::place(const Entry& entry) const {
  const data::MappedFile map(files[entry.file]);
  return data::line_place(files[entry.file], map.bytes(), std::min<size_t>(entry.at, map.bytes().size()));
}

}  // namespace corral::sft
