// The last line of a process that must end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "kernel/plugin/host.h"

namespace corral {
namespace {

TEST(CrashLine, AMappedFileThatWasShortenedIsNamedAndIsNotABug) {
  std::string path = testing::TempDir() + "corral shortened-XXXXXX";
  const int file = ::mkstemp(path.data());
  ASSERT_EQ(::ftruncate(file, 3 << 12), 0);
  const auto* bytes = static_cast<const volatile char*>(::mmap(nullptr, 3 << 12, PROT_READ, MAP_PRIVATE, file, 0));
  const auto read_shortened = [&] {
    install_crash_line();
    (void)!::ftruncate(file, 1 << 12);
    (void)bytes[2 << 12];
  };
  EXPECT_EXIT(read_shortened(), testing::ExitedWithCode(3),
              "^error: " + path + ": its bytes cannot be read any more: it was shortened while");
  ::close(file);
  ::unlink(path.c_str());
}

TEST(CrashLine, OtherFaultsEndTheProcessByTheirSignal) {
  const auto raise = [](int number) {
    install_crash_line();
    std::raise(number);
  };
  EXPECT_EXIT(raise(SIGBUS), testing::KilledBySignal(SIGBUS), "");
  EXPECT_EXIT(raise(SIGSEGV), testing::KilledBySignal(SIGSEGV), "");
}

}  // namespace
}  // namespace corral
