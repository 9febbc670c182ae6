#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/image/pixels.h"
#include "server/image/preprocess.h"
#include "server/models/model.h"

namespace resnetd {

// From pictures to what a network reads: torchvision's ToTensor and Normalize,
// bit for bit, computed on the device from the 8-bit values.
//
// Thread-safe. May throw c10::Error: call it through TorchToStatus().
class PictureInput {
 public:
  PictureInput(const PreprocessSpec& spec, at::Device device);

  // INVALID_ARGUMENT (REQUEST_INVALID) for the first picture that is not side x
  // side with side = spec.crop.
  absl::Status Check(absl::Span<const Pixels* const> batch) const;

  // The same; of values that are normalised already their number counts.
  absl::Status Check(absl::Span<const ModelInput> batch) const;

  // {pictures, 3, side, side} in float32, channels_last.
  // Precondition: Check(batch).ok().
  at::Tensor Normalised(absl::Span<const Pixels* const> batch) const;
  at::Tensor Normalised(absl::Span<const ModelInput> batch) const;

  // The same of 8-bit rows {pictures, side, side, 3} that are on the device.
  at::Tensor NormalisedRows(const at::Tensor& rows) const;

  // Of the 8-bit values of one picture.
  std::size_t picture_bytes() const;

 private:
  absl::Status CheckPicture(std::size_t index, const Pixels& picture) const;

  const int side_;
  // On the device: 255, and per channel {3, 1, 1}. A divisor on the device is
  // divided by; one on the host would become a factor on a GPU, which rounds
  // differently.
  at::Tensor full_scale_;
  at::Tensor mean_;
  at::Tensor std_;
};

}  // namespace resnetd
