#include "server/nn/device_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(DeviceMemoryTest, SaysWhatIsNeededWhatIsFreeAndWhatToChange) {
  const absl::Status status = DeviceMemoryError(
      {.what = "the weights of resnet50",
       .needed_bytes = (98 << 20) + 1,
       .memory = {.free_bytes = (4 << 20) - 1, .total_bytes = 64 << 20},
       .device = "a small GPU"});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(status).reason, "MEMORY_ADMISSION");
  const std::string text(status.message());
  EXPECT_THAT(text,
              HasSubstr("the memory of a small GPU is too small for the "
                        "weights of resnet50: at least 99 MiB are needed, 3 "
                        "MiB of 64 MiB are free; "));
  EXPECT_THAT(text, HasSubstr("--max-batch"));
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(Pair("needed", "102760449"), Pair("free", "4194303"),
                          Pair("limit", "67108864")));
}

}  // namespace
}  // namespace resnetd
