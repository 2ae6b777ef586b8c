// Checks of the function table: it is filled, and missing functions are normal.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "bin/validate/check.h"
#include "corral/error.h"
#include "kernel/plugin/load.h"

namespace corral::validate {
namespace {

// A table at the end of a page: reading past it crashes.
class CutTable {
 public:
  CutTable(const void* table, uint64_t size) {
    const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    length_ = (size + page - 1) / page * page + page;
    void* base = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) fail_environment("out of memory");
    base_ = static_cast<char*>(base);
    mprotect(base_ + length_ - page, page, PROT_NONE);
    at_ = base_ + length_ - page - size;
    std::memcpy(at_, table, size);
    std::memcpy(at_, &size, sizeof size);
  }
  ~CutTable() { munmap(base_, length_); }
  CutTable(const CutTable&) = delete;
  CutTable& operator=(const CutTable&) = delete;
  char* get() const { return at_; }

 private:
  char *base_ = nullptr, *at_ = nullptr;
  uint64_t length_ = 0;
};

uint64_t size_of(const void* table) {
  uint64_t size = 0;
  std::memcpy(&size, table, sizeof size);
  return size;
}

Outcome filled(const Subject& s) {
  const Kind* kind = find_kind(s.info.kind);
  if (!kind) return skip("this Corral does not know the table of kind " + s.info.kind);
  Loaded loaded(s.info);
  const auto* table = &loaded.init()->table<char>();
  const uint64_t size = size_of(table);
  if (size < kind->table_size) return failed(format("its table has {} bytes; the table of ABI 1.0 has {}", size, kind->table_size));
  if (size % 8 != 0 || size > 65536) return failed(format("its table says that it has {} bytes", size));
  for (uint64_t at = 8; at < size; at += 8) {
    const void* function = nullptr;
    std::memcpy(&function, table + at, sizeof function);
    if (!function)
      return failed(format("function {} of its table is null: a function that is not offered has to answer CORRAL_UNSUPPORTED", at / 8));
  }
  loaded.shutdown();
  return pass(format("{} functions", size / 8 - 1));
}

// A crash ends this process, which is the failure.
Outcome prefixes(const Subject& s) {
  const Kind* kind = find_kind(s.info.kind);
  if (!kind) return skip("this Corral knows no use of a plugin of kind " + s.info.kind);
  Loaded loaded(s.info);
  const auto* table = &loaded.init()->table<char>();
  const uint64_t size = size_of(table);
  size_t jobs = 0, messages = 0;
  const auto try_one = [&](const CutTable& cut) {
    try {
      kind->exercise(s, loaded.with_table(cut.get()));
      ++jobs;
    } catch (const Error&) {
      ++messages;
    }
  };
  for (uint64_t end = 8; end <= size; end += 8) try_one(CutTable(table, end));
  if (jobs == 0) return failed("the host could not do its job with the whole table");
  for (uint64_t at = 8; at < size; at += 8) {
    const CutTable hole(table, size);
    std::memset(hole.get() + at, 0, 8);
    try_one(hole);
  }
  return pass(format("{} tables; {} did the job, {} gave a message", jobs + messages, jobs, messages));
}

constexpr Check kChecks[] = {
    {"table.filled", "its table has every function", filled},
    {"table.prefixes", "the host gets along with its table cut after every function, and with each one missing", prefixes},
};

}  // namespace

std::span<const Check> checks_table();
std::span<const Check> checks_table() { return kChecks; }

}  // namespace corral::validate
