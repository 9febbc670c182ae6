#include "server/telemetry/nvml.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace resnetd {
namespace {

constexpr char kFake[] = RESNETD_BINARY_DIR "/lib/libfake_nvml.so";

// Sets a variable of the environment, for this scope.
class Setting {
 public:
  explicit Setting(const char* name) : name_(name) { setenv(name, "1", 1); }
  ~Setting() { unsetenv(name_); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char* name_;
};

TEST(OpenNvmlTest, ReadsWhatTheLibrarySays) {
  const std::unique_ptr<GpuSource> source = OpenNvml(kFake);
  ASSERT_NE(source, nullptr);
  const std::vector<GpuFigures> gpus = source->Read();
  ASSERT_EQ(gpus.size(), 2U);
  const GpuFigures& first = gpus.front();
  EXPECT_EQ(first.number, 0);
  EXPECT_EQ(first.name, "Fake H200");
  EXPECT_EQ(first.total_bytes, 150'000'000'000);
  EXPECT_EQ(first.free_bytes, 100'000'000'000);
  EXPECT_EQ(first.used_bytes, 50'000'000'000);
  EXPECT_EQ(first.utilization, 0.37);
  EXPECT_EQ(first.celsius, 41);
  EXPECT_EQ(first.watts, 123.456);
}

TEST(OpenNvmlTest, LeavesOutWhatADeviceDoesNotTell) {
  const std::unique_ptr<GpuSource> source = OpenNvml(kFake);
  ASSERT_NE(source, nullptr);
  const std::vector<GpuFigures> gpus = source->Read();
  ASSERT_EQ(gpus.size(), 2U);
  // Keeps its number though the one before is not shown.
  EXPECT_EQ(gpus[1].number, 2);
  EXPECT_EQ(gpus[1].name, std::string(95, 'x'));
  EXPECT_EQ(gpus[1].total_bytes, 150'000'000'002);
  EXPECT_FALSE(gpus[1].utilization.has_value());
  EXPECT_FALSE(gpus[1].watts.has_value());
}

TEST(OpenNvmlTest, ShowsNothingWhileTheDriverFails) {
  const std::unique_ptr<GpuSource> source = OpenNvml(kFake);
  ASSERT_NE(source, nullptr);
  {
    const Setting lost("FAKE_NVML_LOST");
    EXPECT_TRUE(source->Read().empty());
  }
  EXPECT_EQ(source->Read().size(), 2U);
}

TEST(OpenNvmlTest, IsNullWithoutLibraryFunctionsOrDriver) {
  EXPECT_EQ(OpenNvml("libthere-is-no-such-library.so"), nullptr);
  EXPECT_EQ(OpenNvml("libc.so.6"), nullptr);
  const Setting no_driver("FAKE_NVML_NO_DRIVER");
  EXPECT_EQ(OpenNvml(kFake), nullptr);
}

// On a machine with a GPU too: whatever is there is read, nothing breaks.
TEST(OpenNvmlTest, OpensTheRealOneOrNone) {
  const std::unique_ptr<GpuSource> source = OpenNvml();
  if (source == nullptr) {
    return;
  }
  for (const GpuFigures& gpu : source->Read()) {
    std::printf("GPU %d: %s\n", gpu.number, gpu.name.c_str());
    EXPECT_FALSE(gpu.name.empty());
    EXPECT_GT(gpu.total_bytes.value_or(0), 0);
  }
}

}  // namespace
}  // namespace resnetd
