#include "server/finetune/picture_facts.h"

#include <array>
#include <cstddef>

#include "absl/status/statusor.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"

namespace resnetd {

absl::Status ReadPictureFacts(absl::Span<const std::uint8_t> encoded,
                              const DecodeLimits& limits, ExampleRow& row) {
  ASSIGN_OR_RETURN(const Pixels pixels, DecodeImage(encoded, limits));
  row.image = Sha256Hex(encoded);
  row.bytes = static_cast<std::int64_t>(encoded.size());
  MeasurePixels(pixels, row);
  return absl::OkStatus();
}

void MeasurePixels(const Pixels& pixels, ExampleRow& row) {
  row.width = pixels.width;
  row.height = pixels.height;
  // Whole numbers: exact, in whatever order; the squares of 50 million pixels
  // are 3e12.
  std::array<std::uint64_t, 3> sum{};
  std::array<std::uint64_t, 3> sum_of_squares{};
  bool is_grey = true;
  for (std::size_t i = 0; i + 2 < pixels.rgb.size(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c) {
      const std::uint64_t value = pixels.rgb[i + c];
      sum[c] += value;
      sum_of_squares[c] += value * value;
    }
    is_grey = is_grey && pixels.rgb[i] == pixels.rgb[i + 1] &&
              pixels.rgb[i] == pixels.rgb[i + 2];
  }
  row.is_grey = is_grey;
  const double count = static_cast<double>(pixels.rgb.size()) / 3;
  for (std::size_t c = 0; c < 3; ++c) {
    row.mean[c] = static_cast<double>(sum[c]) / (count * 255);
    row.mean_square[c] =
        static_cast<double>(sum_of_squares[c]) / (count * 255 * 255);
  }
}

std::string RejectionCode(const absl::Status& error) {
  const ErrorDetails details = DetailsOf(error);
  if (error.code() != absl::StatusCode::kInvalidArgument) {
    return "";
  }
  if (details.reason == ReasonName(Reason::kLimitExceeded)) {
    return "TOO_LARGE";
  }
  for (const auto& [key, value] : details.metadata) {
    if (key == "cause") {
      return value == DecodeCauseName(DecodeCause::kCorrupt) ? "DECODE_FAILED"
                                                             : value;
    }
  }
  return "";
}

}  // namespace resnetd
