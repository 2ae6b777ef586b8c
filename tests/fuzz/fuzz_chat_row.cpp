// Rows of samples and chats: any line is refused with a message, or becomes a sample that fits under any template and whose first token is
// not a target.
#include <string>

#include "plugins/dataset/sft/row.h"
#include "plugins/dataset/sft/row_writer.h"
#include "plugins/dataset/sft/sample.h"
#include "plugins/dataset/sft/test_encoder.h"
#include "tests/fuzz/claims.h"

namespace {
using namespace corral::sft;

constexpr const char* kWanted[] = {"", "llama3", "llama31", "chat", "none", "{input} {output}", "Q: {prompt} A: {completion}"};
constexpr const char* kFolders[] = {"", "<|start_header_id|> <|eot_id|>", "<|im_start|>"};

void check(const Sample& sample, size_t longest) {
  require(sample.ids.size() <= longest && sample.trained.size() == sample.ids.size());
  require(sample.trained.empty() || !sample.trained[0]);
  const bool any = std::find(sample.trained.begin(), sample.trained.end(), 1) != sample.trained.end();
  require(any || (!sample.trains_answer && !sample.trains_end));
  require(sample.trains_answer || sample.fault != Fault::kNone);
}
}  // namespace

// The first byte chooses the template, the folder's template and the longest length.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t choice = data[0], longest = 1 + choice % 5 * 40;
  const std::string_view line(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Place place{"a.jsonl", line, 0};
  const corral::data::Encoder encoder = marked_encoder();
  const SampleMaker maker(encoder, longest, choice % 2 != 0);
  ends_or_is_refused([&] {
    const RowWriter writer(kWanted[choice % std::size(kWanted)], kFolders[choice % std::size(kFolders)], "26 Jul 2024");
    const Json row = parse_row(line, place);
    const Form form = form_of(row, place);
    require(!writer.describe(form).empty());
    if (form == Form::kIds)
      check(maker.from(ids_of(row, encoder.num_ids, place), place), longest);
    else
      check(maker.from(writer.write(row, form, encoder.end_of_text, place), writer.writes_chats(form)), longest);
  });
  return 0;
}
