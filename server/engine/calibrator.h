#pragma once

#include <cstdint>
#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/engine/agreement.h"
#include "server/engine/calibration.h"
#include "server/engine/cpu_model.h"
#include "server/image/pixels.h"

namespace resnetd {

// A calibration and what the int8 plan made with it answers.
struct CalibrationTrial {
  Calibration calibration;
  Agreement agreement;
};

// The ranges of `reference`, a model in float32, over `pictures`, chosen by
// each method: the largest value seen, percentiles, least divergence.
// INVALID_ARGUMENT (REQUEST_INVALID): no picture. The errors of
// Model::Logits().
absl::StatusOr<std::vector<Calibration>> CalibrationsOf(
    const CpuModel& reference, absl::Span<const Pixels* const> pictures,
    const std::function<bool()>& stopped = [] { return false; });

// The one whose int8 plan agrees best with `reference` on `pictures`: most
// pictures of the same class, then the smallest error. Takes as long as a
// dozen runs of each picture; `stopped` is asked between them. CANCELLED: it
// said so. The errors of CalibrationsOf() and of CpuModel::Load().
absl::StatusOr<CalibrationTrial> Calibrate(
    const dnnl::engine& engine, const CpuModel& reference,
    absl::Span<const Pixels* const> pictures,
    const std::function<bool()>& stopped = [] { return false; });

// What a calibration cuts off.
struct Clipping {
  // Activations that are not zero, and of them those beyond the range of their
  // step.
  std::int64_t values = 0;
  std::int64_t clipped = 0;

  // 0 without values.
  double share() const {
    return values == 0
               ? 0.0
               : static_cast<double>(clipped) / static_cast<double>(values);
  }
};

// Of `pictures`, which should be others than it was made with: where they are
// larger than those were, int8 computes with less than they are. `reference`:
// the model in float32, which runs each picture once. CANCELLED: `stopped` said
// so. The errors of Model::Logits(). Precondition: CheckCalibration() is OK.
absl::StatusOr<Clipping> ClippingOf(
    const CpuModel& reference, const Calibration& calibration,
    absl::Span<const Pixels* const> pictures,
    const std::function<bool()>& stopped = [] { return false; });

// The logits of any number of pictures, one after the other.
absl::StatusOr<std::vector<float>> LogitsOfAll(
    const CpuModel& model, absl::Span<const Pixels* const> pictures,
    const std::function<bool()>& stopped = [] { return false; });

}  // namespace resnetd
