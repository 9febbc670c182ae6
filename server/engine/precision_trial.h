#pragma once

#include <functional>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/engine/calibration.h"
#include "server/engine/cpu_model.h"
#include "server/engine/precision_choice.h"
#include "server/image/pixels.h"

namespace resnetd {

// What trying the precisions of a policy gave.
struct PrecisionRun {
  // Float32 first.
  std::vector<PrecisionTrial> trials;
  PrecisionDecision decision;
  // Ready for every batch size; null: float32 was chosen.
  std::unique_ptr<CpuModel> winner;
  // Of the int8 trial, if there was one.
  std::optional<Calibration> calibration;
};

// Makes, compares and times each candidate beside `reference`, a model in
// float32. `pictures` are real ones: int8 is tried only with them, calibrated
// on the first kCalibrationPictures and compared on all. Without any the others
// are compared on the golden pictures.
//
// Times are those of the calling thread's CPU for one picture, the least of
// interleaved rounds, so that other work on the machine does not decide.
//
// Takes seconds; `stopped` is asked between batches. CANCELLED: it said so. The
// errors of Model::Logits().
absl::StatusOr<PrecisionRun> TryPrecisions(
    const dnnl::engine& engine, const CpuModel& reference,
    const PrecisionPolicy& policy, absl::Span<const Pixels* const> pictures,
    const std::function<bool()>& stopped);

inline constexpr std::size_t kCalibrationPictures = 64;

}  // namespace resnetd
