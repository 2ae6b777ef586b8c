// Loading, use and leaving; what `get_interface` answers.
#include <malloc.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "corral/error.h"
#include "kernel/plugin/load.h"
#include "kernel/validate/check.h"

namespace corral::validate {
namespace {
namespace fs = std::filesystem;

void use(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  if (const Kind* kind = find_kind(s.info.kind)) kind->exercise(s, plugin);
}

void whole_life(const Subject& s) {
  Loaded loaded(s.info);
  use(s, loaded.init());
  loaded.shutdown();
}

bool is_mapped(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.ends_with(path)) return true;
  return false;
}

size_t threads() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/task")) ++count;
  return count;
}

Outcome descriptor(const Subject& s) {
  Loaded loaded(s.info);  // compares all else
  if (s.info.license != loaded.descriptor().license)
    return failed(format("its descriptor says license \"{}\", its manifest \"{}\"", loaded.descriptor().license, s.info.license));
  return pass();
}

Outcome one_life(const Subject& s) {
  whole_life(s);
  if (!find_kind(s.info.kind)) return skip("this Corral knows no use of a plugin of kind " + s.info.kind);
  return pass();
}

Outcome second_init(const Subject& s) {
  Loaded loaded(s.info);
  for (int again = 0; again < 2; ++again) {
    use(s, loaded.init());
    loaded.shutdown();
  }
  return pass();
}

// The first lives fill caches of the libraries; growth after them is a leak.
Outcome hundred_lives(const Subject& s) {
  constexpr int kLives = 100, kCompared = 64;  // as many as the host keeps of what it has lent: these cancel out
  const size_t threads_before = threads();
  size_t in_use = 0;
  for (int life = 0; life < kLives; ++life) {
    whole_life(s);
    if (is_mapped(s.info.path))
      return failed("it is still mapped after it was closed: a thread, a unique symbol or `-z nodelete` holds it");
    if (life == kLives - kCompared - 1) in_use = mallinfo2().uordblks;
  }
  const size_t now = mallinfo2().uordblks, grown = now > in_use ? now - in_use : 0;
  if (const size_t left = threads(); left > threads_before)
    return failed(format("{} of its threads are still there", left - threads_before));
  // Loader and libraries keep some bytes of their own for each load.
  if (grown >= kCompared * 32 && grown < kCompared * 512)
    return warn(format("memory in use grew by {} bytes over the last {} lives", grown, kCompared));
  if (grown >= kCompared * 512) return failed(format("memory in use grew by {} bytes over the last {} lives: it leaks", grown, kCompared));
  return pass(format("{} lives; the last {} left {} bytes", kLives, kCompared, grown));
}

// A copy is another object to the loader, as two plugins of one source are.
Outcome two_copies(const Subject& s) {
  PluginInfo copy = s.info;
  copy.path = (fs::path(s.scratch) / fs::path(s.info.path).filename()).string();
  fs::copy_file(s.info.path, copy.path);
  Loaded first(s.info), second(copy);
  if (&first.descriptor() == &second.descriptor()) return failed("two copies share their descriptor");
  const auto a = first.init();
  const auto b = second.init();
  if (&a->table<char>() == &b->table<char>()) return failed("two copies share their table");
  use(s, a);
  use(s, b);
  first.shutdown();
  use(s, b);  // what was the first one's is gone
  second.shutdown();
  return pass();
}

Outcome only_its_ids(const Subject& s) {
  Loaded loaded(s.info);
  loaded.init();
  const std::string id = interface_id(s.info.kind), stem = "corral." + s.info.kind;
  std::vector<std::string> nonsense{"",
                                    " ",
                                    "corral",
                                    "corral.none/1",
                                    id + "x",
                                    id + "0",
                                    id + "/1",
                                    id + " ",
                                    "x" + id,
                                    stem,
                                    stem + "/0",
                                    stem + "/4294967297",
                                    std::string(100000, 'a')};
  for (const Kind* other : kinds())
    if (other->interface_id != id) nonsense.push_back(other->interface_id);
  for (const std::string& other : nonsense)
    if (loaded.descriptor().get_interface(other.c_str())) return failed("it answers to \"" + other.substr(0, 60) + "\" too");
  const void* table = loaded.descriptor().get_interface(id.c_str());
  if (table != loaded.descriptor().get_interface(std::string(id).c_str())) return failed("it gives another table each time");
  loaded.shutdown();
  return pass();
}

constexpr Check kChecks[] = {
    {"descriptor.manifest", "its descriptor says what its manifest says", descriptor},
    {"life.once", "it loads, does a small job of its kind and shuts down", one_life},
    {"life.init-again", "after shutdown it can be initialized and used again", second_init},
    {"life.hundred", "after a hundred loads and closes nothing of it is left: no mapping, thread or memory", hundred_lives},
    {"life.two-copies", "two copies in one process share nothing", two_copies},
    {"interface.only-its-ids", "it answers to the id of its interface and to nothing else", only_its_ids},
};

}  // namespace

std::span<const Check> checks_life();
std::span<const Check> checks_life() { return kChecks; }

}  // namespace corral::validate
