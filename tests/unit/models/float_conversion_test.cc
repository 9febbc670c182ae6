#include "server/models/float_conversion.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/safetensors_writer.h"

namespace resnetd {
namespace {

std::string ReadGolden(const std::string& name) {
  std::ifstream in(
      std::string(RESNETD_SOURCE_DIR "/tests/golden/models/valid/") + name,
      std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

// The values as PyTorch converts them, bit for bit; of a NaN only that it is
// one.
TEST(ConvertToFloatTest, EqualsPyTorchForEveryType) {
  const auto expected = nlohmann::json::parse(ReadGolden("expected.json"));
  std::size_t compared = 0;
  for (const auto& [name, want] : expected.items()) {
    const auto file =
        SafetensorsFile::Parse(ToBytes(ReadGolden(name + ".safetensors")));
    ASSERT_TRUE(file.ok()) << file.status();
    for (const TensorView& tensor : file->tensors()) {
      const auto bits = want["tensors"][tensor.name]["bits"]
                            .get<std::vector<std::uint32_t>>();
      std::vector<float> values(bits.size());
      ConvertToFloat(tensor, absl::MakeSpan(values));
      for (std::size_t i = 0; i < bits.size(); ++i) {
        if (std::isnan(std::bit_cast<float>(bits[i]))) {
          EXPECT_TRUE(std::isnan(values[i])) << tensor.name << " " << i;
        } else {
          EXPECT_EQ(std::bit_cast<std::uint32_t>(values[i]), bits[i])
              << tensor.name << " " << i;
        }
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 600U);
}

TEST(ConvertToFloatTest, TakesAnyByteButZeroForTrue) {
  const std::vector<std::uint8_t> bytes = {0, 1, 2, 255};
  const TensorView tensor = {
      .name = "b", .dtype = DType::kBool, .shape = {4}, .bytes = bytes};
  std::vector<float> values(4);
  ConvertToFloat(tensor, absl::MakeSpan(values));
  EXPECT_EQ(values, (std::vector<float>{0, 1, 1, 1}));
}

TEST(FirstNonFiniteTest, FindsItAtEveryPlace) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  for (const std::size_t size : {1U, 255U, 256U, 257U, 600U}) {
    std::vector<float> values(size, std::numeric_limits<float>::max());
    EXPECT_EQ(FirstNonFinite(values), size);
    for (std::size_t i = 0; i < size; ++i) {
      for (const float bad : {kInfinity, -kInfinity, kNaN, -kNaN}) {
        values[i] = bad;
        ASSERT_EQ(FirstNonFinite(values), i) << size;
      }
      values[i] = std::numeric_limits<float>::denorm_min();
    }
  }
  EXPECT_EQ(FirstNonFinite({}), 0U);
}

TEST(FirstNonFiniteTest, ReportsTheFirstOfSeveral) {
  std::vector<float> values(1000, 1.0F);
  values[999] = values[700] = values[301] =
      std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(FirstNonFinite(values), 301U);
}

}  // namespace
}  // namespace resnetd
