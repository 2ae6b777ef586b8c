#include "plugins/dataset/sft/sample.h"

#include <algorithm>

#include "corral/error.h"

namespace corral::sft {

Sample SampleMaker::from(const std::vector<Piece>& pieces, bool is_chat) const {
  Sample sample;
  std::vector<Piece::Use> uses;
  std::vector<int32_t> ids;
  for (const Piece& piece : pieces) {
    if (piece.id >= 0)
      ids.assign(1, piece.id);
    else
      encoder_.encode(piece.text, ids);
    sample.ids.insert(sample.ids.end(), ids.begin(), ids.end());
    uses.insert(uses.end(), ids.size(), piece.use);
  }
  const auto has = [&](Piece::Use use) { return std::find(uses.begin(), uses.end(), use) != uses.end(); };
  const bool had_answer = has(Piece::kAnswer), had_turn = has(Piece::kEnd);
  if (sample.ids.size() > longest_) {
    sample.truncated = true;
    const size_t over = sample.ids.size() - longest_;
    const auto question =
        static_cast<size_t>(std::find_if(uses.begin(), uses.end(), [](Piece::Use u) { return u != Piece::kGiven; }) - uses.begin());
    const size_t from = is_chat ? longest_ : question - std::min(question, over);
    const size_t inside = is_chat ? over : std::min(question, over);
    const auto cut = [&](auto& list) {
      list.erase(list.begin() + static_cast<ptrdiff_t>(from), list.begin() + static_cast<ptrdiff_t>(from + inside));
      list.resize(longest_);
    };
    cut(sample.ids);
    cut(uses);
  }
  sample.trained.resize(uses.size());
  for (size_t i = 1; i < uses.size(); ++i) sample.trained[i] = train_all_ || uses[i] != Piece::kGiven;
  // The first token is never trained: no token before it could predict it.
  const auto trains = [&](Piece::Use use) { return !uses.empty() && std::find(uses.begin() + 1, uses.end(), use) != uses.end(); };
  sample.trains_answer = train_all_ ? uses.size() > 1 : trains(Piece::kAnswer);
  sample.trains_end = trains(Piece::kEnd);
  if (!sample.trains_answer)
    sample.fault = had_answer ? Fault::kCutBeforeAnswer : had_turn ? Fault::kEmptyAnswer : Fault::kNoAnswer;
  else if (!sample.trains_end && had_turn)
    sample.fault = Fault::kCutBeforeEnd;
  return sample;
}

Sample SampleMaker::from(IdRow row, const Place& place) const {
  if (row.ids.size() > longest_)
    fail("{}: {} ids, but a row of train.seq_length = {} has at most {}: cut it, or set train.seq_length higher", place, row.ids.size(),
         longest_ - 1, longest_);
  Sample sample;
  sample.ids = std::move(row.ids);
  sample.trained.resize(sample.ids.size());
  for (size_t i = 1; i < sample.ids.size(); ++i) sample.trained[i] = train_all_ || row.labels[i] >= 0;
  sample.trains_answer = std::find(sample.trained.begin(), sample.trained.end(), 1) != sample.trained.end();
  // Rows of ids do not mark the end of an answer.
  sample.trains_end = sample.trains_answer;
  if (!sample.trains_answer) sample.fault = Fault::kAllMasked;
  return sample;
}

}  // namespace corral::sft
