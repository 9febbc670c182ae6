// Decodes with less and less memory to be had. Not built with sanitizers: they
// reserve an address space far larger than any limit.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/unit/image/decode_matchers.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd {
namespace {

using testing::Encoded;

enum Outcome { kDecoded = 0, kSaidOutOfMemory = 1, kOther = 2 };

void LimitAddressSpace(std::size_t bytes) {
  rlimit limits = {};
  getrlimit(RLIMIT_AS, &limits);
  limits.rlim_cur = bytes;
  setrlimit(RLIMIT_AS, &limits);
}

// Leaves this process `bytes` more memory, beside crumbs.
void LimitMemory(std::size_t bytes) {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const std::size_t now =
      pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  LimitAddressSpace(now);
  // What the heap has in reserve is used up, for good.
  constexpr std::size_t kBlock = 4096;
  while (std::malloc(kBlock) != nullptr) {
  }
  LimitAddressSpace(now + bytes);
}

// How decoding ends in a process of its own; -1 when it crashes.
int DecodeWith(std::size_t bytes, const Encoded& encoded) {
  const pid_t child = fork();
  if (child == 0) {
    LimitMemory(bytes);
    const absl::Status status = DecodeImage(encoded, {}).status();
    if (status.ok()) {
      _exit(kDecoded);
    }
    _exit(absl::IsResourceExhausted(status) ? kSaidOutOfMemory : kOther);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ImageDecoderMemoryTest, MissingMemoryIsAnErrorAndNeverACrash) {
  const Pixels photo = testing::MakePhoto(800, 600);
  testing::PngPicture interlaced = testing::MakePng(800, 600, 6, 8);
  interlaced.interlaced = true;
  Encoded rgba(std::size_t{800} * 600 * 4, 100);
  const std::pair<const char*, Encoded> pictures[] = {
      {"JPEG", testing::EncodeJpeg(photo)},
      {"progressive JPEG", testing::EncodeJpeg(photo, {.progressive = true})},
      {"PNG", testing::EncodePng(photo)},
      {"interlaced PNG", testing::EncodePng(interlaced)},
      {"WebP", testing::EncodeWebp(rgba, 800, 600, {})},
      {"lossless WebP",
       testing::EncodeWebp(rgba, 800, 600, {.lossless = true})},
  };
  constexpr std::size_t kMiB = 1U << 20U;
  for (const auto& [name, encoded] : pictures) {
    // The RGB alone is 1.4 MiB.
    EXPECT_EQ(DecodeWith(0, encoded), kSaidOutOfMemory) << name;
    for (const std::size_t mebibytes : {1U, 2U, 3U, 4U, 6U, 8U}) {
      const int outcome = DecodeWith(mebibytes * kMiB, encoded);
      EXPECT_TRUE(outcome == kDecoded || outcome == kSaidOutOfMemory)
          << name << " with " << mebibytes << " MiB: " << outcome;
    }
    EXPECT_EQ(DecodeWith(64 * kMiB, encoded), kDecoded) << name;
  }
}

}  // namespace
}  // namespace resnetd
