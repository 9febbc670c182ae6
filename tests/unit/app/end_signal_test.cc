#include "server/app/end_signal.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "gtest/gtest.h"

namespace resnetd {
namespace {

constexpr int kAwaited = 42;

// Each in a process of its own: signals are the process's.

// As another process does.
void Ask(int signal) {
  if (fork() == 0) {
    kill(getppid(), signal);
    _exit(0);
  }
}

[[noreturn]] void AskWhileStarting(int signal) {
  const EndSignal end;
  Ask(signal);
  for (;;) {
    pause();  // A start that takes for ever.
  }
}

[[noreturn]] void AskOnceStarted(int signal) {
  EndSignal end;
  end.Started();
  Ask(signal);
  end.Await();
  std::_Exit(kAwaited);
}

[[noreturn]] void AskItselfWhileStarting() {
  EndSignal end;
  kill(getpid(), SIGTERM);
  end.Started();
  end.Await();
  std::_Exit(kAwaited);
}

[[noreturn]] void AskTwice() {
  EndSignal end;
  end.Started();
  kill(getpid(), SIGTERM);
  end.Await();
  kill(getpid(), SIGTERM);
  std::_Exit(kAwaited);
}

[[noreturn]] void FailToStart() {
  { const EndSignal end; }
  std::_Exit(kAwaited);
}

// Threads and death tests: the child begins anew.
class EndSignalDeathTest : public testing::Test {
 protected:
  EndSignalDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

class EachEndSignalDeathTest : public EndSignalDeathTest,
                               public testing::WithParamInterface<int> {};

TEST_P(EachEndSignalDeathTest, EndsTheProcessWhileItStarts) {
  EXPECT_EXIT(AskWhileStarting(GetParam()), testing::ExitedWithCode(0),
              "asked to end while starting");
}

TEST_P(EachEndSignalDeathTest, WakesTheMainThreadOnceItHasStarted) {
  EXPECT_EXIT(AskOnceStarted(GetParam()), testing::ExitedWithCode(kAwaited),
              "");
}

INSTANTIATE_TEST_SUITE_P(Both, EachEndSignalDeathTest,
                         testing::Values(SIGTERM, SIGINT));

TEST_F(EndSignalDeathTest, OfTheProcessItselfWaitsForTheEndOfTheStart) {
  EXPECT_EXIT(AskItselfWhileStarting(), testing::ExitedWithCode(kAwaited), "");
}

TEST_F(EndSignalDeathTest, ASecondOneEndsTheProcessAtOnce) {
  EXPECT_EXIT(AskTwice(), testing::KilledBySignal(SIGTERM), "");
}

TEST_F(EndSignalDeathTest, GoesWithoutASignalWhenTheStartFails) {
  EXPECT_EXIT(FailToStart(), testing::ExitedWithCode(kAwaited), "");
}

}  // namespace
}  // namespace resnetd
