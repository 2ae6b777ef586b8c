// Checks of loading, use and unloading, and of the answers of `get_interface`.
#include <dlfcn.h>
#include <link.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "bin/validate/check.h"
#include "corral/error.h"
#include "kernel/plugin/call.h"
#include "kernel/plugin/load.h"

namespace corral::validate {
namespace {
namespace fs = std::filesystem;

void use(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  if (const Kind* kind = find_kind(s.info.kind)) kind->exercise(s, plugin);
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

// The plugin's threads that are left after shutdown. A joined thread may still be listed for a moment.
size_t threads_left(size_t before) {
  for (int wait = 0; wait < 1000 && threads() > before; ++wait) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const size_t now = threads();
  return now > before ? now - before : 0;
}

// Loads, uses and closes the plugin. Describes its remains, or "". Its code must not be unloaded while one of its threads runs.
std::string whole_life(const Subject& s) {
  const size_t before = threads();
  Loaded loaded(s.info);
  use(s, loaded.init());
  loaded.shutdown();
  const size_t left = threads_left(before);
  return left ? format("after shutdown {} of its threads {} still there", left, left == 1 ? "is" : "are") : "";
}

// Keeps the libraries of the plugin loaded from now on: memory that they keep per load of their own is not the plugin's.
void keep_libraries(const Subject& s) {
  Loaded loaded(s.info);
  std::vector<std::string> names;
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void* all) {
        static_cast<std::vector<std::string>*>(all)->push_back(object->dlpi_name);
        return 0;
      },
      &names);
  for (const std::string& name : names)
    if (!name.empty() && name != s.info.path) dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD);
}

// The growth that most pairs of lives show. Caches of the host and its libraries fill now and then; pairs level out fluctuations.
int64_t steady_growth(const std::vector<size_t>& in_use) {
  std::vector<int64_t> grown;
  for (size_t i = in_use.size() / 3; i + 2 < in_use.size(); ++i) grown.push_back(static_cast<int64_t>(in_use[i + 2] - in_use[i]));
  std::nth_element(grown.begin(), grown.begin() + static_cast<ptrdiff_t>(grown.size() / 2), grown.end());
  return grown[grown.size() / 2] / 2;
}

Outcome descriptor(const Subject& s) {
  Loaded loaded(s.info);  // compares all other fields
  if (s.info.license != loaded.descriptor().license)
    return failed(format("its descriptor says license \"{}\", its manifest \"{}\"", loaded.descriptor().license, s.info.license));
  return pass();
}

Outcome one_life(const Subject& s) {
  if (const std::string left = whole_life(s); !left.empty()) return failed(left);
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

Outcome hundred_lives(const Subject& s) {
  constexpr size_t kLives = 100, kMost = size_t{1} << 14;
  keep_libraries(s);
  std::vector<size_t> in_use;
  for (size_t life = 0; life < kLives; ++life) {
    if (const std::string left = whole_life(s); !left.empty()) return failed(left);
    if (is_mapped(s.info.path)) return failed("it is still mapped after it was closed: a unique symbol or `-z nodelete` keeps it loaded");
    free_lent();
    in_use.push_back(mallinfo2().uordblks);
  }
  const auto all = static_cast<int64_t>(in_use.back() - in_use[kLives / 3]);
  if (const int64_t each = steady_growth(in_use); each > 0) return failed(format("each life leaves {} bytes: it leaks", each));
  if (all > static_cast<int64_t>(kMost)) return failed(format("the last {} lives left {} bytes: it leaks", kLives - kLives / 3 - 1, all));
  return pass(format("{} lives", kLives));
}

// A copy is another object to the loader, like two plugins of one source.
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
  use(s, b);  // the state of the first one is gone
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
  if (table != loaded.descriptor().get_interface(std::string(id).c_str())) return failed("its table differs from one request to the next");
  loaded.shutdown();
  return pass();
}

constexpr Check kChecks[] = {
    {"descriptor.manifest", "its descriptor agrees with its manifest", descriptor},
    {"life.once", "it loads, does a small job of its kind and shuts down", one_life},
    {"life.init-again", "after shutdown it can be initialized and used again", second_init},
    {"life.hundred", "a hundred loads and closes leave no mapping, thread or memory", hundred_lives},
    {"life.two-copies", "two copies in one process share nothing", two_copies},
    {"interface.only-its-ids", "it answers to the id of its interface and to nothing else", only_its_ids},
};

}  // namespace

std::span<const Check> checks_life();
std::span<const Check> checks_life() { return kChecks; }

}  // namespace corral::validate
