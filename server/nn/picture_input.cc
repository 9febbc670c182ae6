#include "server/nn/picture_input.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

constexpr int kChannels = 3;

at::Tensor PerChannel(const std::array<float, kChannels>& values,
                      at::Device device) {
  const at::Tensor tensor = at::empty({kChannels, 1, 1}, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor.to(device);
}

}  // namespace

PictureInput::PictureInput(const PreprocessSpec& spec, at::Device device)
    : side_(spec.crop),
      full_scale_(at::full({}, 255.0F, at::TensorOptions(device))),
      mean_(PerChannel(spec.mean, device)),
      std_(PerChannel(spec.std, device)) {}

std::size_t PictureInput::picture_bytes() const {
  return static_cast<std::size_t>(side_) * static_cast<std::size_t>(side_) *
         kChannels;
}

absl::Status PictureInput::CheckPicture(std::size_t index,
                                        const Pixels& picture) const {
  if (picture.width == side_ && picture.height == side_ &&
      picture.rgb.size() == picture_bytes()) {
    return absl::OkStatus();
  }
  return Error(
      absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
      absl::StrCat("picture ", index, " of the batch is ", picture.width, "x",
                   picture.height, " with ", picture.rgb.size(),
                   " bytes; the network takes ", side_, "x", side_, " RGB"));
}

absl::Status PictureInput::Check(absl::Span<const Pixels* const> batch) const {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    RETURN_IF_ERROR(CheckPicture(i, *batch[i]));
  }
  return absl::OkStatus();
}

absl::Status PictureInput::Check(absl::Span<const ModelInput> batch) const {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].normalised == nullptr) {
      RETURN_IF_ERROR(CheckPicture(i, *batch[i].pixels));
    } else if (batch[i].normalised->size() != picture_bytes()) {
      return Error(
          absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
          absl::StrCat("picture ", i, " of the batch has ",
                       batch[i].normalised->size(),
                       " values; the network takes ", picture_bytes()));
    }
  }
  return absl::OkStatus();
}

at::Tensor PictureInput::Normalised(
    absl::Span<const Pixels* const> batch) const {
  const auto count = static_cast<std::int64_t>(batch.size());
  const at::Tensor rows =
      at::empty({count, side_, side_, kChannels}, at::kByte);
  auto* to = rows.data_ptr<std::uint8_t>();
  for (const Pixels* picture : batch) {
    to = std::copy(picture->rgb.begin(), picture->rgb.end(), to);
  }
  return NormalisedRows(rows.to(full_scale_.device()));
}

at::Tensor PictureInput::NormalisedRows(const at::Tensor& rows) const {
  // Interleaved rows are channels_last order already: only the view changes.
  return rows.permute({0, 3, 1, 2})
      .to(at::kFloat)
      .div_(full_scale_)
      .sub_(mean_)
      .div_(std_);
}

at::Tensor PictureInput::Normalised(absl::Span<const ModelInput> batch) const {
  std::vector<const Pixels*> pictures;
  for (const ModelInput& input : batch) {
    if (input.pixels != nullptr) {
      pictures.push_back(input.pixels);
    }
  }
  if (pictures.size() == batch.size()) {
    return Normalised(pictures);
  }
  const auto options = at::TensorOptions(full_scale_.device());
  at::Tensor inputs = at::empty(
      {static_cast<std::int64_t>(batch.size()), kChannels, side_, side_},
      options.dtype(at::kFloat), at::MemoryFormat::ChannelsLast);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const at::Tensor to = inputs[static_cast<std::int64_t>(i)];
    if (batch[i].pixels != nullptr) {
      to.copy_(Normalised({&batch[i].pixels, 1})[0]);
      continue;
    }
    const at::Tensor values = at::empty({kChannels, side_, side_}, at::kFloat);
    std::copy(batch[i].normalised->begin(), batch[i].normalised->end(),
              values.data_ptr<float>());
    to.copy_(values);
  }
  return inputs;
}

}  // namespace resnetd
