#include "server/rpc/convert_tensor.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/status_macros.h"
#include "server/models/tensor_view.h"
#include "server/rpc/call_record.h"
#include "server/rpc/raw_image.h"

namespace resnetd {
namespace {

constexpr std::int64_t kChannels = 3;

absl::StatusOr<DType> TypeOf(const v1::TensorImage& tensor,
                             absl::string_view field) {
  switch (tensor.type()) {
    case v1::TensorImage::TYPE_FP32:
      return DType::kF32;
    case v1::TensorImage::TYPE_FP16:
      return DType::kF16;
    default:
      return BadPart(absl::StrCat(field, ".type"),
                     absl::StrCat("type ", static_cast<int>(tensor.type()),
                                  " is not TYPE_FP32 or TYPE_FP16"));
  }
}

}  // namespace

absl::StatusOr<TensorImage> ToTensor(const v1::TensorImage& tensor,
                                     absl::string_view field,
                                     const RequestLimits& limits) {
  RETURN_IF_ERROR(CheckSide(field, "height", tensor.height(), limits.max_side));
  RETURN_IF_ERROR(CheckSide(field, "width", tensor.width(), limits.max_side));
  ASSIGN_OR_RETURN(const DType type, TypeOf(tensor, field));
  // Both sides are at most 65,535: the product cannot leave 64 bits.
  const std::int64_t needed = kChannels * tensor.height() * tensor.width() *
                              static_cast<std::int64_t>(DTypeBytes(type));
  const auto bytes = static_cast<std::int64_t>(tensor.data().size());
  if (bytes != needed) {
    return BadPart(
        absl::StrCat(field, ".data"),
        absl::StrCat("data has ", bytes, " bytes, 3x", tensor.height(), "x",
                     tensor.width(), " values of ", DTypeBytes(type),
                     " bytes need ", needed));
  }
  return TensorImage{.bytes = AsBytes(tensor.data()),
                     .type = type,
                     .height = tensor.height(),
                     .width = tensor.width()};
}

}  // namespace resnetd
