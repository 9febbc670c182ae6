#include "server/nn/torch_model.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/nn/torch_status.h"

namespace resnetd {
namespace {

constexpr int kChannels = 3;

std::size_t BytesOfPicture(int side) {
  return static_cast<std::size_t>(side) * static_cast<std::size_t>(side) *
         kChannels;
}

absl::Status CheckPictures(absl::Span<const Pixels* const> batch, int side) {
  const std::size_t bytes = BytesOfPicture(side);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Pixels& picture = *batch[i];
    if (picture.width != side || picture.height != side ||
        picture.rgb.size() != bytes) {
      return Error(
          absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
          absl::StrCat("picture ", i, " of the batch is ", picture.width, "x",
                       picture.height, " with ", picture.rgb.size(),
                       " bytes; the network takes ", side, "x", side, " RGB"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFinite(const std::vector<float>& logits) {
  const bool finite = std::all_of(logits.begin(), logits.end(),
                                  [](float x) { return std::isfinite(x); });
  if (!finite) {
    return Error(absl::StatusCode::kInternal, Reason::kInternal,
                 "the network computed a logit that is not finite; its "
                 "weights are not usable");
  }
  return absl::OkStatus();
}

// The number that counts is the calling thread's: the setting of the process
// reaches a thread only when it first computes. Setting it drops caches, so it
// is set only where it differs.
void UseThreads(int threads) {
  if (at::get_num_threads() != threads) {
    at::set_num_threads(threads);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<TorchModel>> TorchModel::Create(
    const ModelPackage& package, c10::Device device, int threads) {
  using Created = absl::StatusOr<std::unique_ptr<TorchModel>>;
  return TorchToStatus("load a model", [&]() -> Created {
    // Not make_unique: the constructor is private.
    return std::unique_ptr<TorchModel>(
        new TorchModel(package, device, threads));
  });
}

TorchModel::TorchModel(const ModelPackage& package, c10::Device device,
                       int threads)
    : threads_(threads),
      side_(package.facts.preprocess.crop),
      input_(package.facts.preprocess, device),
      network_(package.network, package.weights, device) {}

absl::Status TorchModel::WarmUp(std::size_t pictures) const {
  const Pixels black{.width = side_,
                     .height = side_,
                     .rgb = std::vector<std::uint8_t>(BytesOfPicture(side_))};
  const std::vector<const Pixels*> batch(pictures, &black);
  return Logits(batch).status();
}

absl::StatusOr<std::vector<float>> TorchModel::Logits(
    absl::Span<const Pixels* const> batch) const {
  RETURN_IF_ERROR(CheckPictures(batch, side_));
  if (batch.empty()) {
    return std::vector<float>();
  }
  return TorchToStatus("classify a batch", [&] { return Run(batch); });
}

absl::StatusOr<std::vector<float>> TorchModel::Run(
    absl::Span<const Pixels* const> batch) const {
  const c10::InferenceMode inference_mode;
  UseThreads(threads_);
  const at::Tensor logits =
      network_.Forward(input_.Normalised(batch)).cpu().contiguous();
  const float* first = logits.const_data_ptr<float>();
  std::vector<float> values(first, first + logits.numel());
  RETURN_IF_ERROR(CheckFinite(values));
  return values;
}

}  // namespace resnetd
