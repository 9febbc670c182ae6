#include "server/base/populate_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <vector>

namespace resnetd {
namespace {

// Fresh pages, of which none is there yet.
class Pages {
 public:
  explicit Pages(std::size_t count)
      : bytes_(count * Size()),
        data_(static_cast<unsigned char*>(
            mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  ~Pages() { munmap(data_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  static std::size_t Size() {
    return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  }
  unsigned char* data() const { return data_; }
  std::vector<bool> There() const {
    std::vector<unsigned char> states(bytes_ / Size());
    EXPECT_EQ(mincore(data_, bytes_, states.data()), 0);
    std::vector<bool> there;
    for (const unsigned char state : states) {
      there.push_back((state & 1U) != 0);
    }
    return there;
  }

 private:
  std::size_t bytes_;
  unsigned char* data_;
};

bool KernelCan() {
  constexpr int kPopulateWrite = 23;
  const Pages pages(1);
  return madvise(pages.data(), Pages::Size(), kPopulateWrite) == 0;
}

TEST(PopulateMemoryTest, BringsThePagesThatLieWhollyInside) {
  if (!KernelCan()) {
    GTEST_SKIP() << "this kernel cannot populate memory";
  }
  const Pages pages(5);
  EXPECT_EQ(pages.There(), std::vector<bool>(5, false));
  PopulateMemory(pages.data() + 1, 3 * Pages::Size());
  EXPECT_EQ(pages.There(),
            (std::vector<bool>{false, true, true, false, false}));
  PopulateMemory(pages.data(), 5 * Pages::Size());
  EXPECT_EQ(pages.There(), std::vector<bool>(5, true));
}

TEST(PopulateMemoryTest, ChangesNoContents) {
  const Pages pages(3);
  for (std::size_t i = 0; i < 3 * Pages::Size(); i += 100) {
    pages.data()[i] = static_cast<unsigned char>(i / 100 % 251);
  }
  PopulateMemory(pages.data(), 3 * Pages::Size());
  for (std::size_t i = 0; i < 3 * Pages::Size(); ++i) {
    ASSERT_EQ(pages.data()[i], i % 100 == 0 ? i / 100 % 251 : 0) << i;
  }
}

TEST(PopulateMemoryTest, LessThanAPageIsLeftAlone) {
  const Pages pages(2);
  PopulateMemory(pages.data() + 1, Pages::Size());
  PopulateMemory(pages.data(), Pages::Size() - 1);
  PopulateMemory(pages.data(), 0);
  PopulateMemory(nullptr, 0);
  EXPECT_EQ(pages.There(), std::vector<bool>(2, false));
}

}  // namespace
}  // namespace resnetd
