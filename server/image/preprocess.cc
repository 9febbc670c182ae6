#include "server/image/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/image/resample_kernels.h"
#include "server/image/resample_taps.h"
#include "server/image/resize_geometry.h"

namespace resnetd {
namespace {

constexpr int kLargestSide = 4096;
constexpr int kSmallestCrop = 8;

absl::Status Invalid(absl::string_view field, absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat("preprocessing: ", field, " ", text))
      .Violation(field, text);
}

std::size_t RoundUp16(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

Pixels CutOut(const Pixels& pixels, const ResizeGeometry& geometry, int crop) {
  const auto row_bytes = static_cast<std::size_t>(crop) * 3;
  Pixels cut = {.width = crop, .height = crop, .rgb = {}};
  cut.rgb.resize(row_bytes * static_cast<std::size_t>(crop));
  for (std::size_t y = 0; y < static_cast<std::size_t>(crop); ++y) {
    const std::size_t from = (static_cast<std::size_t>(geometry.top) + y) *
                                 static_cast<std::size_t>(pixels.width) +
                             static_cast<std::size_t>(geometry.left);
    std::memcpy(&cut.rgb[y * row_bytes], &pixels.rgb[from * 3], row_bytes);
  }
  return cut;
}

// The rows of a picture after the horizontal pass, made when they are needed
// and kept while they are: as many as one output row reads.
class RowWindow {
 public:
  RowWindow(const Pixels& pixels, const ResampleTaps& columns,
            const ResampleTaps& rows, const ResampleKernels& kernels)
      : pixels_(pixels),
        columns_(columns),
        kernels_(kernels),
        capacity_(rows.stride + ResampleKernels::kRows),
        stride_(
            RoundUp16(columns.first.size() * 3 + ResampleKernels::kWriteSlack)),
        end_(rows.first.back() + rows.count.back()),
        next_(rows.first.front()),
        bytes_(capacity_ * stride_),
        spare_out_(stride_) {}

  std::size_t row_bytes() const { return stride_; }

  // Row `y` of the source, resized along x. Never goes back by more than the
  // rows one output reads.
  const std::uint8_t* Row(int y) {
    while (next_ <= y) {
      MakeRows();
    }
    return Slot(y);
  }

 private:
  std::uint8_t* Slot(int y) {
    return &bytes_[static_cast<std::size_t>(y) % capacity_ * stride_];
  }

  // The source row, from a padded copy where the kernels would read past the
  // end of the picture.
  const std::uint8_t* Source(int y, std::vector<std::uint8_t>& padded) const {
    const std::size_t row_bytes = static_cast<std::size_t>(pixels_.width) * 3;
    const std::size_t from = static_cast<std::size_t>(y) * row_bytes;
    if (pixels_.rgb.size() - from >= row_bytes + ResampleKernels::kReadSlack) {
      return &pixels_.rgb[from];
    }
    padded.assign(row_bytes + ResampleKernels::kReadSlack, 0);
    std::memcpy(padded.data(), &pixels_.rgb[from], row_bytes);
    return padded.data();
  }

  void MakeRows() {
    ResampleKernels::Rows in;
    ResampleKernels::OutRows out;
    for (std::size_t i = 0; i < ResampleKernels::kRows; ++i) {
      const int y = next_ + static_cast<int>(i);
      in[i] = Source(std::min(y, end_ - 1), padded_[i]);
      out[i] = y < end_ ? Slot(y) : spare_out_.data();
    }
    kernels_.horizontal(columns_, in, out);
    next_ += static_cast<int>(ResampleKernels::kRows);
  }

  const Pixels& pixels_;
  const ResampleTaps& columns_;
  const ResampleKernels& kernels_;
  std::size_t capacity_;
  std::size_t stride_;
  int end_;
  int next_;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::uint8_t> spare_out_;
  std::array<std::vector<std::uint8_t>, ResampleKernels::kRows> padded_;
};

}  // namespace

absl::Status Validate(const PreprocessSpec& spec) {
  if (spec.crop < kSmallestCrop || spec.crop > kLargestSide) {
    return Invalid("crop", absl::StrCat("is ", spec.crop, ", it must be ",
                                        kSmallestCrop, " to ", kLargestSide));
  }
  if (spec.resize < spec.crop || spec.resize > kLargestSide) {
    return Invalid("resize",
                   absl::StrCat("is ", spec.resize, ", it must be crop (",
                                spec.crop, ") to ", kLargestSide));
  }
  for (std::size_t c = 0; c < spec.mean.size(); ++c) {
    if (!std::isfinite(spec.mean[c])) {
      return Invalid(absl::StrCat("mean[", c, "]"), "is not a finite number");
    }
    if (!std::isfinite(spec.std[c]) || spec.std[c] <= 0.0F) {
      return Invalid(absl::StrCat("std[", c, "]"),
                     "is not a finite number above 0");
    }
  }
  return absl::OkStatus();
}

Pixels ResizeAndCrop(const Pixels& pixels, const PreprocessSpec& spec) {
  return ResizeAndCrop(pixels, spec, BestKernels());
}

Pixels ResizeAndCrop(const Pixels& pixels, const PreprocessSpec& spec,
                     const ResampleKernels& kernels) {
  const ResizeGeometry geometry =
      ComputeGeometry(pixels.width, pixels.height, spec.resize, spec.crop);
  if (geometry.width == pixels.width && geometry.height == pixels.height) {
    return CutOut(pixels, geometry, spec.crop);
  }
  const ResampleTaps columns =
      ComputeTaps(pixels.width, geometry.width, geometry.left, spec.crop);
  const ResampleTaps rows =
      ComputeTaps(pixels.height, geometry.height, geometry.top, spec.crop);
  RowWindow window(pixels, columns, rows, kernels);
  const std::size_t row_bytes = static_cast<std::size_t>(spec.crop) * 3;
  Pixels cut = {.width = spec.crop, .height = spec.crop, .rgb = {}};
  cut.rgb.resize(row_bytes * static_cast<std::size_t>(spec.crop));
  std::vector<const std::uint8_t*> needed(rows.stride);
  std::vector<std::uint8_t> made(window.row_bytes());
  for (std::size_t y = 0; y < rows.first.size(); ++y) {
    // The last one first: it makes all before it, and no pointer moves.
    for (int i = rows.count[y] - 1; i >= 0; --i) {
      needed[static_cast<std::size_t>(i)] = window.Row(rows.first[y] + i);
    }
    kernels.vertical(rows, y, needed.data(), window.row_bytes(), made.data());
    std::memcpy(&cut.rgb[y * row_bytes], made.data(), row_bytes);
  }
  return cut;
}

}  // namespace resnetd
