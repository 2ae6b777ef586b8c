// Writes pickles of protocol 2, without memo.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corral::megatron {

class PickleWriter {
 public:
  PickleWriter() : out_("\x80\x02", 2) {}
  std::string finish() && {
    out_ += '.';
    return std::move(out_);
  }

  PickleWriter& none() { return op('N'); }
  PickleWriter& boolean(bool value) { return op(value ? '\x88' : '\x89'); }
  PickleWriter& integer(int64_t value) {
    if (value >= 0 && value < 256) return op('K').little(static_cast<uint64_t>(value), 1);
    if (value >= 0 && value < 65536) return op('M').little(static_cast<uint64_t>(value), 2);
    if (value >= INT32_MIN && value <= INT32_MAX) return op('J').little(static_cast<uint64_t>(value), 4);
    return op('\x8a').little(8, 1).little(static_cast<uint64_t>(value), 8);
  }
  PickleWriter& number(double value) { return op('G').little(__builtin_bswap64(std::bit_cast<uint64_t>(value)), 8); }
  PickleWriter& text(std::string_view value) {
    op('X').little(value.size(), 4);
    out_ += value;
    return *this;
  }
  PickleWriter& global(std::string_view module, std::string_view name) {
    op('c');
    out_.append(module).append("\n").append(name).append("\n");
    return *this;
  }
  // mark() values tuple() makes a tuple; global() mark() values call() calls the global with it.
  PickleWriter& mark() { return op('('); }
  PickleWriter& tuple() { return op('t'); }
  PickleWriter& call() { return op('t').op('R'); }
  PickleWriter& persistent() { return op('t').op('Q'); }
  // Creates an object of a class without arguments; build() sets the state written after it.
  PickleWriter& object(std::string_view module, std::string_view name) { return global(module, name).op(')').op('\x81'); }
  PickleWriter& build() { return op('b'); }
  // dict() { text(key) value } end_dict()
  PickleWriter& dict() { return op('}').op('('); }
  PickleWriter& end_dict() { return op('u'); }
  PickleWriter& list() { return op(']').op('('); }
  PickleWriter& end_list() { return op('e'); }
  PickleWriter& integers(const std::vector<int64_t>& values) {
    mark();
    for (const int64_t v : values) integer(v);
    return tuple();
  }

 private:
  PickleWriter& op(char code) {
    out_ += code;
    return *this;
  }
  PickleWriter& little(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out_ += static_cast<char>(value >> 8 * i);
    return *this;
  }
  std::string out_;
};

}  // namespace corral::megatron
