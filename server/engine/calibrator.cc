#include "server/engine/calibrator.h"

#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/engine/agreement.h"
#include "server/engine/calibration.h"
#include "server/engine/cpu_model.h"
#include "server/engine/histogram.h"
#include "server/engine/program.h"
#include "server/image/pixels.h"

namespace resnetd {
namespace {

using Histograms = std::map<std::string, Histogram>;

// Of a step that wrote nothing but zeros: any range will do.
constexpr double kRangeOfZeros = 1.0;
// Of the unsigned levels, and of the signed ones.
constexpr int kUnsignedLevels = 256;
constexpr int kSignedLevels = 128;

absl::Status CheckStopped(const std::function<bool()>& stopped) {
  return stopped() ? absl::CancelledError("the version is going away")
                   : absl::OkStatus();
}

// What each step that has a range writes for one picture after the other.
using ActivationsOf =
    absl::FunctionRef<void(const std::string& step, absl::Span<const float>)>;

absl::Status Observe(const CpuModel& reference,
                     absl::Span<const Pixels* const> pictures,
                     const std::function<bool()>& stopped,
                     ActivationsOf activations) {
  const CpuNetwork network = reference.Network();
  const std::vector<Step>& steps = network.program.steps;
  for (const Pixels* const picture : pictures) {
    RETURN_IF_ERROR(CheckStopped(stopped));
    RETURN_IF_ERROR(reference.Observe(
        {picture}, [&](const PlannedStep& planned, const std::byte* output) {
          const std::string name = StepName(steps[planned.of_program]);
          if (!name.empty()) {
            activations(name, {reinterpret_cast<const float*>(output),
                               planned.destination.get_size() / sizeof(float)});
          }
        }));
  }
  return absl::OkStatus();
}

struct Method {
  std::string name;
  double (*range)(const Histogram& histogram, bool is_signed);
};

std::vector<Method> Methods() {
  return {
      {"largest", [](const Histogram& h, bool) { return h.largest(); }},
      {"percentile 99.99",
       [](const Histogram& h, bool) { return h.Percentile(0.9999); }},
      {"percentile 99.9",
       [](const Histogram& h, bool) { return h.Percentile(0.999); }},
      {"least divergence",
       [](const Histogram& h, bool is_signed) {
         return h.LeastDivergence(is_signed ? kSignedLevels : kUnsignedLevels);
       }},
  };
}

bool IsBetter(const Agreement& a, const Agreement& b) {
  return a.same_top1 != b.same_top1 ? a.same_top1 > b.same_top1
                                    : a.error < b.error;
}

}  // namespace

absl::StatusOr<std::vector<Calibration>> CalibrationsOf(
    const CpuModel& reference, absl::Span<const Pixels* const> pictures,
    const std::function<bool()>& stopped) {
  if (pictures.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                 "calibrating needs pictures, none was given");
  }
  Histograms histograms;
  RETURN_IF_ERROR(Observe(
      reference, pictures, stopped,
      [&histograms](const std::string& step, absl::Span<const float> values) {
        histograms[step].Add(values);
      }));
  const CpuNetwork network = reference.Network();
  std::vector<Calibration> calibrations;
  for (const Method& method : Methods()) {
    Calibration calibration = {.method = method.name,
                               .pictures = static_cast<int>(pictures.size()),
                               .ranges = {}};
    for (const Step& step : network.program.steps) {
      const std::string name = StepName(step);
      if (name.empty()) {
        continue;
      }
      const bool is_signed = step.kind == StepKind::kConvolution && !step.relu;
      const double range = method.range(histograms.at(name), is_signed);
      calibration.ranges[name] = range > 0 ? range : kRangeOfZeros;
    }
    calibrations.push_back(std::move(calibration));
  }
  return calibrations;
}

absl::StatusOr<Clipping> ClippingOf(const CpuModel& reference,
                                    const Calibration& calibration,
                                    absl::Span<const Pixels* const> pictures,
                                    const std::function<bool()>& stopped) {
  Clipping clipping;
  RETURN_IF_ERROR(Observe(
      reference, pictures, stopped,
      [&](const std::string& step, absl::Span<const float> values) {
        const auto range = static_cast<float>(calibration.ranges.at(step));
        for (const float value : values) {
          clipping.values += value != 0 ? 1 : 0;
          clipping.clipped += std::fabs(value) > range ? 1 : 0;
        }
      }));
  return clipping;
}

absl::StatusOr<std::vector<float>> LogitsOfAll(
    const CpuModel& model, absl::Span<const Pixels* const> pictures,
    const std::function<bool()>& stopped) {
  std::vector<float> all;
  for (const Pixels* const picture : pictures) {
    RETURN_IF_ERROR(CheckStopped(stopped));
    ASSIGN_OR_RETURN(const std::vector<float> logits, model.Logits({picture}));
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

absl::StatusOr<CalibrationTrial> Calibrate(
    const dnnl::engine& engine, const CpuModel& reference,
    absl::Span<const Pixels* const> pictures,
    const std::function<bool()>& stopped) {
  ASSIGN_OR_RETURN(std::vector<Calibration> calibrations,
                   CalibrationsOf(reference, pictures, stopped));
  ASSIGN_OR_RETURN(const std::vector<float> expected,
                   LogitsOfAll(reference, pictures, stopped));
  std::optional<CalibrationTrial> best;
  for (Calibration& calibration : calibrations) {
    CpuNetwork network = reference.Network();
    network.precision = Precision::kInt8;
    network.calibration = calibration;
    ASSIGN_OR_RETURN(
        const std::unique_ptr<CpuModel> model,
        CpuModel::Load(engine, std::move(network), 1, reference.threads()));
    ASSIGN_OR_RETURN(const std::vector<float> actual,
                     LogitsOfAll(*model, pictures, stopped));
    const Agreement agreement =
        Compare(expected, actual, expected.size() / pictures.size());
    if (!best || IsBetter(agreement, best->agreement)) {
      best = {std::move(calibration), agreement};
    }
  }
  return *std::move(best);
}

}  // namespace resnetd
