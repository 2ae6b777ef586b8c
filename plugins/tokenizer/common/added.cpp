#include "plugins/tokenizer/common/added.h"

#include <algorithm>
#include <cstring>

namespace corral::tokenizer {

AddedFinder::AddedFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (const AddedToken& t : tokens_) starts_[static_cast<unsigned char>(t.content[0])] = true;
  if (std::count(starts_.begin(), starts_.end(), true) == 1) only_start_ = static_cast<unsigned char>(tokens_[0].content[0]);
}

// Narrows the range of sorted tokens byte by byte to those that match the text.
const AddedToken* AddedFinder::longest_at(std::string_view text, size_t at) const {
  auto low = tokens_.begin(), high = tokens_.end();
  const AddedToken* longest = nullptr;
  for (size_t i = 0; at + i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[at + i]);
    const auto byte_of = [&](const AddedToken& t) { return static_cast<unsigned char>(t.content[i]); };
    low = std::partition_point(low, high, [&](const AddedToken& t) { return t.content.size() <= i || byte_of(t) < byte; });
    high = std::partition_point(low, high, [&](const AddedToken& t) { return byte_of(t) <= byte; });
    if (low == high) break;
    if (low->content.size() == i + 1) longest = &*low;
  }
  return longest;
}

AddedFinder::Found AddedFinder::find(std::string_view text, size_t from) const {
  if (tokens_.empty()) return {text.size(), nullptr};
  for (size_t at = from; at < text.size(); ++at) {
    if (only_start_ >= 0) {
      const void* start = std::memchr(text.data() + at, only_start_, text.size() - at);
      if (!start) break;
      at = static_cast<size_t>(static_cast<const char*>(start) - text.data());
    } else if (!starts_[static_cast<unsigned char>(text[at])]) {
      continue;
    }
    if (const AddedToken* token = longest_at(text, at)) return {at, token};
  }
  return {text.size(), nullptr};
}

}  // namespace corral::tokenizer
