#include "server/engine/kernel_selftest.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "server/base/error.h"
#include "server/base/thread.h"
#include "server/engine/cpu_engine.h"
#include "server/engine/onednn_api.h"
#include "server/image/pixels.h"
#include "server/models/weight_fill.h"
#include "tests/support/fallback_count.h"
#include "tests/support/filled_package.h"
#include "tests/support/golden_logits.h"

namespace resnetd {
namespace {

// The library can be capped once a process, so every case runs in one of its
// own: a "death test" of the style that starts the program anew.
class KernelSelftestTest : public testing::Test {
 protected:
  KernelSelftestTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

// Prints the outcome and ends the process.
[[noreturn]] void ProveAndExit(const KernelSelftestOptions& options) {
  const absl::StatusOr<KernelSelftest> result = ProveKernels(options);
  if (!result.ok()) {
    std::fprintf(stderr, "code %d reason %s: %s\n",
                 static_cast<int>(result.status().code()),
                 DetailsOf(result.status()).reason.c_str(),
                 std::string(result.status().message()).c_str());
    std::_Exit(1);
  }
  std::fprintf(stderr, "isa=%s capped=%d counted=%d text=%s\n",
               result->isa.c_str(), result->capped ? 1 : 0,
               static_cast<int>(FallbackCount(Fallback::kKernelsCapped)),
               result->text.c_str());
  std::_Exit(0);
}

void DieAboveAvx2(const std::string& isa) {
  if (absl::StartsWith(isa, "avx512") || absl::StartsWith(isa, "avx10")) {
    std::raise(SIGILL);
  }
}

TEST_F(KernelSelftestTest, LeavesAMachineAloneWhoseKernelsWork) {
  EXPECT_EXIT(ProveAndExit({}), testing::ExitedWithCode(0),
              "isa=[a-z0-9_]+ capped=0 counted=0 text=oneDNN .* kernels work");
}

TEST_F(KernelSelftestTest, CapsTheKernelsThatDieOfAnIllegalInstruction) {
  KernelSelftestOptions options;
  options.fault = [](const std::string& isa) {
    if (isa != "sse41") {
      std::raise(SIGILL);
    }
  };
  EXPECT_EXIT(
      ProveAndExit(options), testing::ExitedWithCode(0),
      "isa=sse41 capped=1 counted=1 text=oneDNN .*capped to sse41.*signal 4");
}

TEST_F(KernelSelftestTest, TheEngineIsRightWithWhatIsLeft) {
  EXPECT_EXIT(
      {
        const auto result = ProveKernels({.fault = DieAboveAvx2});
        const auto engine = CreateCpuEngine({.threads = 1});
        const auto model = (*engine)->Load(FilledPackage("cifar_resnet8"), 1);
        const Pixels picture = FillPicture(32, 32, 0);
        const auto logits = (*model)->Logits({&picture});
        const double error = RelativeToScale(
            ReadGoldenLogits("cifar_resnet8").at(0), logits->data());
        std::fprintf(stderr, "isa=%s %s error %g\n", result->isa.c_str(),
                     (*engine)->description().c_str(), error);
        std::_Exit(error <= 1e-5 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "isa=(avx2|avx|sse41)");
}

TEST_F(KernelSelftestTest, AKernelThatHangsCountsAsDead) {
  std::array<int, 2> token{};
  ASSERT_EQ(pipe2(token.data(), O_NONBLOCK), 0);
  ASSERT_EQ(write(token[1], "x", 1), 1);
  KernelSelftestOptions options;
  options.time_limit = std::chrono::milliseconds(700);
  options.fault = [token](const std::string& isa) {
    char byte = 0;
    while (read(token[0], &byte, 1) == 1) {  // only the first child
      pause();
    }
    if (isa != "sse41") {
      std::raise(SIGILL);
    }
  };
  EXPECT_EXIT(ProveAndExit(options), testing::ExitedWithCode(0),
              "isa=sse41 capped=1 counted=1 .*signal 14.*signal 4");
}

TEST_F(KernelSelftestTest, SaysSoWhenNothingWorks) {
  KernelSelftestOptions options;
  options.fault = [](const std::string&) { std::raise(SIGSEGV); };
  EXPECT_EXIT(ProveAndExit(options), testing::ExitedWithCode(1),
              "code 9 reason BACKEND_UNAVAILABLE: no vector kernel");
}

TEST_F(KernelSelftestTest, RefusesToForkBesideOtherThreads) {
  EXPECT_EXIT(
      {
        std::promise<void> end;
        const Thread other("other", [&end] { end.get_future().wait(); });
        ProveAndExit({});
      },
      testing::ExitedWithCode(1), "code 13 .*before the first thread");
}

TEST_F(KernelSelftestTest, RefusesToCapALibraryThatIsInUse) {
  EXPECT_EXIT(
      {
        static_cast<void>(EffectiveIsa());
        ProveAndExit({.fault = [](const std::string&) { std::raise(SIGILL); }});
      },
      testing::ExitedWithCode(1), "code 13 .*before the library is used");
}

}  // namespace
}  // namespace resnetd
