#include "server/models/weights_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "server/base/error.h"
#include "tests/support/pth_writer.h"
#include "tests/support/safetensors_writer.h"

namespace resnetd {
namespace {

using ::testing::SizeIs;

std::vector<WrittenTensor> Tensors() {
  return {{.name = "a", .shape = {2}, .bytes = FloatBytes({1, 2})},
          {.name = "b", .shape = {1}, .bytes = FloatBytes({3})}};
}

absl::Status Refused(absl::string_view bytes) {
  return WeightsFile::Parse(ToBytes(bytes)).status();
}

TEST(WeightsFileTest, TellsTheFormatsByTheirFirstBytes) {
  const auto safetensors =
      WeightsFile::Parse(ToBytes(PackTensors(Tensors()))).value();
  EXPECT_EQ(safetensors.format(), "safetensors");
  const auto pth =
      WeightsFile::Parse(ToBytes(PackPthTensors(Tensors()))).value();
  EXPECT_EQ(pth.format(), "pth");
  EXPECT_EQ(pth.size_bytes(), PackPthTensors(Tensors()).size());
  ASSERT_THAT(pth.tensors(), SizeIs(2));
  ASSERT_THAT(safetensors.tensors(), SizeIs(2));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(pth.tensors()[i].name, safetensors.tensors()[i].name);
    EXPECT_EQ(pth.tensors()[i].bytes, safetensors.tensors()[i].bytes);
  }
}

TEST(WeightsFileTest, CanBeMoved) {
  auto file = WeightsFile::Parse(ToBytes(PackPthTensors(Tensors()))).value();
  const WeightsFile moved = std::move(file);
  EXPECT_EQ(moved.tensors()[1].bytes,
            absl::MakeConstSpan(ToBytes(FloatBytes({3}))));
}

// The lengths 0x0280 to 0x0580 of a header look like the begin of a pickle.
TEST(WeightsFileTest, TakesNoHeaderLengthForAPickle) {
  for (const std::size_t length : {0x280U, 0x380U, 0x480U, 0x580U}) {
    std::string header = "{}";
    header.resize(length, ' ');
    const auto file = WeightsFile::Parse(ToBytes(PackFile(header)));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->format(), "safetensors");
  }
}

TEST(WeightsFileTest, PassesTheErrorsOfBothReadersOn) {
  EXPECT_EQ(DetailsOf(Refused("")).reason, "WEIGHTS_CORRUPT");
  EXPECT_EQ(DetailsOf(Refused("PK\3\4")).reason, "WEIGHTS_CORRUPT");
  EXPECT_EQ(DetailsOf(Refused("\x80\x02\x8a\x0a")).reason, "MODEL_INVALID");
}

}  // namespace
}  // namespace resnetd
