#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "server/engine/calibration.h"
#include "server/engine/cpu_model.h"
#include "server/engine/precision_choice.h"
#include "server/models/precision_report.h"

namespace resnetd {

// What trying the precisions of a policy gave.
struct PrecisionRun {
  // Float32 first.
  std::vector<PrecisionTrial> trials;
  PrecisionDecision decision;
  // Ready for every batch size, and held to what it answers for the golden
  // pictures (CpuModel::kept_logits()); null: float32 was chosen.
  std::unique_ptr<CpuModel> winner;
  // Of the int8 trial, if there was one.
  std::optional<Calibration> calibration;
};

// Makes, compares and times candidates beside `reference`, a model in float32.
// `pictures` are real ones: SplitPictures() says which calibrate int8, which is
// not tried where they are too few for it, and which judge every precision;
// golden pictures judge beside fewer than kLeastRealPictures. `all`: every
// precision, whether the policy wants it or not; else those it wants, up to the
// one that it forces.
//
// Times are those of the calling thread's CPU for one picture, the least of
// interleaved rounds, so that other work on the machine does not decide.
//
// Takes seconds; `stopped` is asked between batches. CANCELLED: it said so. The
// errors of Model::Logits().
absl::StatusOr<PrecisionRun> TryPrecisions(
    const dnnl::engine& engine, const CpuModel& reference,
    const PrecisionPolicy& policy, const RealPictures& pictures, bool all,
    const std::function<bool()>& stopped);

// What a run is called by who asked for it: PrecisionReport without `policy`.
PrecisionReport ReportOf(const PrecisionRun& run);

// About what the candidates of a run hold together beside a model in float32
// that holds `float_bytes`: 0.54 of it for bf16, 0.25 for int8 and as much
// again while it is calibrated (ResNet-50, docs/engine.md), with a reserve.
std::int64_t TrialBytes(const PrecisionPolicy& policy,
                        std::int64_t float_bytes);

}  // namespace resnetd
