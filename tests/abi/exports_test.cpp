// Every shipped plugin exports one symbol and shares nothing with the process.
#include <algorithm>

#include "corral/error.h"
#include "tests/abi/build_plugin.h"

namespace corral {
namespace {

std::vector<std::string> shipped() {
  std::vector<std::string> all;
  std::istringstream names(CORRAL_SHIPPED);
  for (std::string name; std::getline(names, name, ',');) all.push_back(name);
  return all;
}

TEST(Exports, OfEveryShippedPluginAreOneSymbolThatIsNotUnique) {
  const Workshop shop;
  EXPECT_GE(shipped().size(), 10u);
  for (const std::string& plugin : shipped()) {
    const std::string so = std::string(CORRAL_BINARY_DIR "/plugins/") + plugin + plugin.substr(plugin.find('/')) + ".so";
    const Ran defined = shop.run("nm -D --defined-only " + so);
    ASSERT_EQ(defined.code, 0) << defined.err;
    EXPECT_EQ(std::count(defined.out.begin(), defined.out.end(), '\n'), 1) << plugin << ":\n" << defined.out;
    EXPECT_NE(defined.out.find(" corral_plugin\n"), std::string::npos) << plugin << ":\n" << defined.out;
    EXPECT_EQ(shop.run("nm -D " + so).out.find(" u "), std::string::npos) << plugin;
    // No symbol may be left for other libraries of the host to provide by chance.
    EXPECT_EQ(shop.run("ldd -r " + so).out.find("undefined symbol"), std::string::npos) << plugin;
  }
}

}  // namespace
}  // namespace corral
