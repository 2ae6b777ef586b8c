#include "bin/job/text_stream.h"

#include <algorithm>

#include "corral/abi.h"

namespace corral::job {
namespace {

// Number of bytes at the end that begin a character without completing it.
size_t open_character(const std::string& text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const auto c = static_cast<unsigned char>(text[text.size() - back]);
    if ((c & 0xc0) == 0x80) continue;
    const size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

}  // namespace

bool TextStream::add(int32_t id) {
  if (!tokenizer_) return true;
  const size_t before = text_.size();
  text_ += tokenizer_->bytes_of(id, show_special_ ? 0 : CORRAL_SKIP_SPECIAL);
  size_t cut = std::string::npos;
  for (const std::string& stop : stops_)
    if (!stop.empty()) cut = std::min(cut, text_.find(stop, before < stop.size() ? 0 : before - stop.size() + 1));
  if (cut == std::string::npos) return true;
  text_.resize(cut);
  return false;
}

std::string TextStream::take() {
  size_t held = 0;
  if (!ended_) {
    held = open_character(text_);
    for (const std::string& stop : stops_)
      for (size_t n = std::min(stop.size(), text_.size()); n > held; --n)
        if (text_.ends_with(stop.substr(0, n))) held = n;
  }
  const size_t until = std::max(taken_, text_.size() - held);
  std::string piece = text_.substr(taken_, until - taken_);
  taken_ = until;
  return piece;
}

}  // namespace corral::job
