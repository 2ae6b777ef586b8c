#include "plugins/checkpoint/megatron/pickle.h"

#include <bit>
#include <cstring>
#include <unordered_map>

#include "corral/error.h"
#include "plugins/checkpoint/common/element_type.h"

namespace corral::megatron {
namespace {
constexpr size_t kMostNodes = 8 << 20;
constexpr size_t kDeepest = 64;
constexpr uint64_t kLongestInteger = 8;
}  // namespace

class PickleReader {
 public:
  PickleReader(std::string_view bytes, Allowed allowed, Pickle& out) : bytes_(bytes), allowed_(allowed), out_(out) {}

  void run() {
    while (!step(next())) {
    }
    if (at_ != bytes_.size()) wrong("{} bytes follow its end", bytes_.size() - at_);
    if (stack_.size() != 1 || !marks_.empty()) wrong("it ends with {} values, expected one", stack_.size());
    out_.root_ = stack_[0];
  }

 private:
  template <class... Values>
  [[noreturn]] void wrong(std::string_view text, const Values&... values) const {
    fail("{}: this pickle is damaged or not of torch: {} (byte {})", out_.where_, format(text, values...), at_);
  }

  // Runs one opcode; returns true at the end.
  bool step(uint8_t op) {
    switch (op) {
      case 0x80:  // PROTO
        if (const uint8_t version = next(); version < 2 || version > 5) wrong("protocol {}", int{version});
        return false;
      case 0x95:  // FRAME: its length must fit into the rest
        if (number(8) > bytes_.size() - at_) wrong("a frame passes the end");
        return false;
      case '.':
        return true;
      case '(':
        if (marks_.size() == kDeepest) wrong("nested more than {} deep", kDeepest);
        marks_.push_back(stack_.size());
        return false;
      case 'N':
        push({});
        return false;
      case 0x88:
      case 0x89:
        integer(op == 0x88, Kind::kBoolean);
        return false;
      case 'J':
        integer(static_cast<int32_t>(number(4)));
        return false;
      case 'K':
        integer(static_cast<int64_t>(number(1)));
        return false;
      case 'M':
        integer(static_cast<int64_t>(number(2)));
        return false;
      case 0x8a:  // LONG1
        long_integer(number(1));
        return false;
      case 0x8b:  // LONG4
        long_integer(number(4));
        return false;
      case 'G':
        floating();
        return false;
      case 'X':
        text(number(4), Kind::kText);
        return false;
      case 0x8c:
        text(number(1), Kind::kText);
        return false;
      case 0x8d:
        text(number(8), Kind::kText);
        return false;
      case 'B':
        text(number(4), Kind::kBytes);
        return false;
      case 'C':
        text(number(1), Kind::kBytes);
        return false;
      case 0x8e:
        text(number(8), Kind::kBytes);
        return false;
      case '}':
        container(Kind::kDict, {});
        return false;
      case ']':
        container(Kind::kList, {});
        return false;
      case ')':
        container(Kind::kTuple, {});
        return false;
      case 0x8f:
        container(Kind::kSet, {});
        return false;
      case 't':
        container(Kind::kTuple, to_mark());
        return false;
      case 0x85:
      case 0x86:
      case 0x87:
        container(Kind::kTuple, take(op - 0x84));
        return false;
      case 'a':
        append(Kind::kList, take(1));
        return false;
      case 'e':
        append(Kind::kList, to_mark());
        return false;
      case 0x90:  // ADDITEMS
        append(Kind::kSet, to_mark());
        return false;
      case 's':
        append(Kind::kDict, take(2));
        return false;
      case 'u':
        append(Kind::kDict, to_mark());
        return false;
      case 'q':
        memo_[static_cast<uint32_t>(number(1))] = top();
        return false;
      case 'r':
        memo_[static_cast<uint32_t>(number(4))] = top();
        return false;
      case 0x94:  // MEMOIZE
        memo_[static_cast<uint32_t>(memo_.size())] = top();
        return false;
      case 'h':
        remembered(static_cast<uint32_t>(number(1)));
        return false;
      case 'j':
        remembered(static_cast<uint32_t>(number(4)));
        return false;
      case 'c': {
        const std::string_view module = line();
        global(module, line());
        return false;
      }
      case 0x93: {  // STACK_GLOBAL
        const std::vector<Id> names = take(2);
        if (node(names[0]).kind != Kind::kText || node(names[1]).kind != Kind::kText) wrong("a global without names");
        global(node(names[0]).text, node(names[1]).text);
        return false;
      }
      case 0x81:  // NEWOBJ
      case 'R':
        call();
        return false;
      case 'b':
        build();
        return false;
      case 'Q':
        container(Kind::kPersistent, take(1));
        return false;
      default:
        wrong("operation {} is not among those that are read", int{op});
    }
  }

  uint8_t next() {
    if (at_ == bytes_.size()) wrong("it ends early");
    return static_cast<uint8_t>(bytes_[at_++]);
  }
  std::string_view raw(uint64_t size) {
    if (size > bytes_.size() - at_) wrong("a value of {} bytes passes the end", size);
    const std::string_view part = bytes_.substr(at_, size);
    at_ += size;
    return part;
  }
  uint64_t number(uint64_t bytes) {
    uint64_t value = 0;
    std::memcpy(&value, raw(bytes).data(), bytes);
    return value;
  }
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) wrong("a name without an end");
    const std::string_view part = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return part;
  }

  const Node& node(Id id) const { return out_.nodes_[id]; }
  Id top() const {
    if (stack_.empty() || (!marks_.empty() && marks_.back() == stack_.size())) wrong("a value is missing");
    return stack_.back();
  }
  void push(Node&& n) {
    if (out_.nodes_.size() == kMostNodes) wrong("more than {} values", kMostNodes);
    out_.nodes_.push_back(std::move(n));
    stack_.push_back(static_cast<Id>(out_.nodes_.size() - 1));
  }
  std::vector<Id> take(size_t count) {
    std::vector<Id> items(count);
    for (size_t i = count; i-- > 0;) {
      items[i] = top();
      stack_.pop_back();
    }
    return items;
  }
  std::vector<Id> to_mark() {
    if (marks_.empty()) wrong("a mark is missing");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Id> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  void integer(int64_t value, Kind kind = Kind::kInteger) {
    Node n;
    n.kind = kind;
    n.integer = value;
    push(std::move(n));
  }
  void long_integer(uint64_t size) {
    if (size > kLongestInteger) wrong("an integer of {} bytes, expected at most {}", size, kLongestInteger);
    const std::string_view part = raw(size);
    int64_t value = !part.empty() && (part.back() & 0x80) ? -1 : 0;
    std::memcpy(&value, part.data(), size);
    integer(value);
  }
  void floating() {
    uint64_t bits = number(8);
    Node n;
    n.kind = Kind::kNumber;
    n.number = std::bit_cast<double>(__builtin_bswap64(bits));
    push(std::move(n));
  }
  void text(uint64_t size, Kind kind) {
    Node n;
    n.kind = kind;
    n.text = raw(size);
    push(std::move(n));
  }
  void global(std::string_view module, std::string_view name) {
    if (!allowed_(module, name))
      fail("{}: it names {}, which no checkpoint needs: refused, for reading it in Python could run anything", out_.where_,
           safetensors::in_quotes(std::string(module) + "." + std::string(name)));
    Node n;
    n.kind = Kind::kGlobal;
    n.text = module;
    n.name = name;
    push(std::move(n));
  }

  void deepen(Node& n, const std::vector<Id>& items) {
    for (const Id id : items) {
      if (node(id).depth + size_t{1} > kDeepest) wrong("nested more than {} deep", kDeepest);
      n.depth = std::max<uint8_t>(n.depth, static_cast<uint8_t>(node(id).depth + 1));
    }
  }
  void container(Kind kind, std::vector<Id> items) {
    Node n;
    n.kind = kind;
    deepen(n, items);
    n.items = std::move(items);
    push(std::move(n));
  }
  void append(Kind kind, const std::vector<Id>& items) {
    Node& to = out_.nodes_[top()];
    if (to.kind == Kind::kCall && kind == Kind::kDict) return;  // items of an OrderedDict or similar, which no reader needs
    if (to.kind != kind) wrong("items for a value that cannot contain them");
    if (kind == Kind::kDict && items.size() % 2 != 0) wrong("a key without a value");
    deepen(to, items);
    to.items.insert(to.items.end(), items.begin(), items.end());
  }
  void remembered(uint32_t index) {
    const auto at = memo_.find(index);
    if (at == memo_.end()) wrong("value {} was never remembered", index);
    stack_.push_back(at->second);
  }
  void call() {
    std::vector<Id> parts = take(2);
    if (node(parts[0]).kind != Kind::kGlobal || node(parts[1]).kind != Kind::kTuple) wrong("a call of no global");
    container(Kind::kCall, std::move(parts));
  }
  void build() {
    const std::vector<Id> state = take(1);
    Node& to = out_.nodes_[top()];
    if (to.kind != Kind::kCall) wrong("a state for a value that has none");
    deepen(to, state);
    to.state = state[0];
  }

  std::string_view bytes_;
  Allowed allowed_;
  Pickle& out_;
  size_t at_ = 0;
  std::vector<Id> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, Id> memo_;
};

Pickle::Pickle(std::string_view bytes, Allowed allowed, std::string where) : where_(std::move(where)) {
  PickleReader(bytes, allowed, *this).run();
}

const Node* Pickle::find(const Node& dict, std::string_view key) const {
  if (dict.kind != Kind::kDict) return nullptr;
  for (size_t i = dict.items.size(); i >= 2; i -= 2)
    if (const Node& k = at(dict.items[i - 2]); k.kind == Kind::kText && k.text == key) return &at(dict.items[i - 1]);
  return nullptr;
}

bool Pickle::is_global(const Node& node, std::string_view module, std::string_view name) const {
  return node.kind == Kind::kGlobal && node.text == module && node.name == name;
}

const Node* Pickle::call_of(const Node& node, std::string_view module, std::string_view name) const {
  return node.kind == Kind::kCall && is_global(at(node.items[0]), module, name) ? &at(node.items[1]) : nullptr;
}

}  // namespace corral::megatron
