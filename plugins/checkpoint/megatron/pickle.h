// Python pickles, read as data: nothing is looked up, called or imported. A global becomes its two names, a call its parts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corral::megatron {

enum class Kind : uint8_t { kNone, kBoolean, kInteger, kNumber, kText, kBytes, kTuple, kList, kDict, kSet, kGlobal, kCall, kPersistent };

using Id = uint32_t;
inline constexpr Id kNoState = ~Id{0};

struct Node {
  Kind kind = Kind::kNone;
  uint8_t depth = 0;      // of what it holds
  Id state = kNoState;    // kCall: what BUILD gave
  int64_t integer = 0;    // kBoolean, kInteger
  double number = 0;      // kNumber
  std::string_view text;  // kText, kBytes; kGlobal: the module
  std::string_view name;  // kGlobal
  std::vector<Id> items;  // elements; kDict: key, value, key, value ...; kCall: callee, argument tuple; kPersistent: its id
};

// Whether a global may stand in a pickle. Where it may not, the message names it.
using Allowed = bool (*)(std::string_view module, std::string_view name);

// Values refer to each other by number and may form loops: a consumer that does not know what it looks for must count.
class Pickle {
 public:
  // Throws Error (2), beginning with `where`, at anything that is not the subset that torch writes. The bytes must outlive the values.
  Pickle(std::string_view bytes, Allowed allowed, std::string where);

  const Node& root() const { return nodes_[root_]; }
  const Node& at(Id id) const { return nodes_[id]; }
  const std::string& where() const { return where_; }

  // The value of a key of a dict, the last where one is there twice; null where there is none or `dict` is no dict.
  const Node* find(const Node& dict, std::string_view key) const;
  bool is_global(const Node& node, std::string_view module, std::string_view name) const;
  // The argument tuple of a call of this global, or null.
  const Node* call_of(const Node& node, std::string_view module, std::string_view name) const;

 private:
  friend class PickleReader;
  std::string where_;
  std::vector<Node> nodes_;
  Id root_ = 0;
};

}  // namespace corral::megatron
