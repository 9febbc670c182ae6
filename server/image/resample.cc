#include "server/image/resample.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace resnetd {
namespace {

std::size_t RoundUp16(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

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

Pixels Resample(const Pixels& pixels, const ResampleTaps& columns,
                const ResampleTaps& rows, const ResampleKernels& kernels) {
  RowWindow window(pixels, columns, rows, kernels);
  const std::size_t row_bytes = columns.first.size() * 3;
  Pixels resized = {.width = static_cast<int>(columns.first.size()),
                    .height = static_cast<int>(rows.first.size()),
                    .rgb = {}};
  resized.rgb.resize(row_bytes * rows.first.size());
  std::vector<const std::uint8_t*> needed(rows.stride);
  std::vector<std::uint8_t> made(window.row_bytes());
  for (std::size_t y = 0; y < rows.first.size(); ++y) {
    // The last one first: it makes all before it, and no pointer moves.
    for (int i = rows.count[y] - 1; i >= 0; --i) {
      needed[static_cast<std::size_t>(i)] = window.Row(rows.first[y] + i);
    }
    kernels.vertical(rows, y, needed.data(), window.row_bytes(), made.data());
    std::memcpy(&resized.rgb[y * row_bytes], made.data(), row_bytes);
  }
  return resized;
}

}  // namespace resnetd
