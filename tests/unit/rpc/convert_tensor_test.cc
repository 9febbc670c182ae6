#include "server/rpc/convert_tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

v1::TensorImage Tensor(int height, int width, std::size_t bytes) {
  v1::TensorImage tensor;
  tensor.set_height(height);
  tensor.set_width(width);
  tensor.set_type(v1::TensorImage::TYPE_FP32);
  tensor.set_data(std::string(bytes, '\0'));
  return tensor;
}

std::vector<std::string> FieldsOf(const absl::Status& status) {
  std::vector<std::string> fields;
  for (const auto& violation : DetailsOf(status).violations) {
    fields.push_back(violation.first);
  }
  return fields;
}

TEST(ConvertTensorTest, PointsIntoTheMessage) {
  const v1::TensorImage tensor = Tensor(2, 3, 3 * 2 * 3 * 4);
  const auto image = ToTensor(tensor, "images[0].tensor", {});
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(static_cast<const void*>(image->bytes.data()),
            static_cast<const void*>(tensor.data().data()));
  EXPECT_EQ(image->bytes.size(), 72U);
  EXPECT_EQ(image->height, 2);
  EXPECT_EQ(image->width, 3);
  EXPECT_EQ(image->type, DType::kF32);
}

TEST(ConvertTensorTest, HalvesNeedHalfTheBytes) {
  v1::TensorImage tensor = Tensor(2, 2, 3 * 2 * 2 * 2);
  tensor.set_type(v1::TensorImage::TYPE_FP16);
  const auto image = ToTensor(tensor, "t", {});
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->type, DType::kF16);
}

TEST(ConvertTensorTest, DataHasToHaveTheRightSize) {
  for (const std::size_t bytes : {0U, 47U, 49U, 24U, 96U}) {
    const absl::Status status =
        ToTensor(Tensor(2, 2, bytes), "images[1].tensor", {}).status();
    EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID") << bytes;
    EXPECT_THAT(FieldsOf(status),
                testing::ElementsAre("images[1].tensor.data"));
  }
}

TEST(ConvertTensorTest, SidesAreOneToTheLimit) {
  RequestLimits limits;
  limits.max_side = 4;
  EXPECT_TRUE(ToTensor(Tensor(3, 1, 36), "t", limits).ok());
  EXPECT_TRUE(ToTensor(Tensor(1, 4, 48), "t", limits).ok());
  EXPECT_EQ(DetailsOf(ToTensor(Tensor(5, 1, 60), "t", limits).status()).reason,
            "LIMIT_EXCEEDED");
  for (const int side : {0, -1, std::numeric_limits<int>::min()}) {
    EXPECT_EQ(
        DetailsOf(ToTensor(Tensor(1, side, 0), "t", limits).status()).reason,
        "REQUEST_INVALID")
        << side;
  }
  // The product would have no room in 32 bits.
  limits.max_side = 65'535;
  EXPECT_EQ(
      FieldsOf(ToTensor(Tensor(65'535, 65'535, 12), "t", limits).status()),
      (std::vector<std::string>{"t.data"}));
}

TEST(ConvertTensorTest, TheTypeHasToBeKnown) {
  v1::TensorImage tensor = Tensor(1, 1, 12);
  for (const int type : {0, 3, -1}) {
    tensor.set_type(static_cast<v1::TensorImage::Type>(type));
    EXPECT_EQ(FieldsOf(ToTensor(tensor, "t", {}).status()),
              (std::vector<std::string>{"t.type"}))
        << type;
  }
}

}  // namespace
}  // namespace resnetd
