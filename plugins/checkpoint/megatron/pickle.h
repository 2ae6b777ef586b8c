// Reads Python pickles as data: nothing is looked up, called or imported. A global becomes its two names, a call its parts.
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
  uint8_t depth = 0;      // nesting depth of its contents
  Id state = kNoState;    // kCall: the operand of BUILD
  int64_t integer = 0;    // kBoolean, kInteger
  double number = 0;      // kNumber
  std::string_view text;  // kText, kBytes; kGlobal: the module
  std::string_view name;  // kGlobal
  std::vector<Id> items;  // elements; kDict: key, value, key, value ...; kCall: callee, argument tuple; kPersistent: its id
};

// Decides whether a pickle may name a global. If not, the error names the global.
using Allowed = bool (*)(std::string_view module, std::string_view name);

// Values refer to each other by number and may form loops: code that walks them without knowing their structure must bound its steps.
class Pickle {
 public:
  // Throws Error (2), beginning with `where`, if the bytes leave the subset that torch writes. The bytes must outlive the values.
  Pickle(std::string_view bytes, Allowed allowed, std::string where);

  const Node& root() const { return nodes_[root_]; }
  const Node& at(Id id) const { return nodes_[id]; }
  const std::string& where() const { return where_; }

  // The value of a key, the last one if the key appears twice; null if it is missing or `dict` is not a dict.
  const Node* find(const Node& dict, std::string_view key) const;
  bool is_global(const Node& node, std::string_view module, std::string_view name) const;
  // The argument tuple if `node` is a call of this global, else null.
  const Node* call_of(const Node& node, std::string_view module, std::string_view name) const;

 private:
  friend class PickleReader;
  std::string where_;
  std::vector<Node> nodes_;
  Id root_ = 0;
};

}  // namespace corral::megatron
