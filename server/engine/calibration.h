#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/engine/program.h"

namespace resnetd {

// How large the activations of a version are on real pictures: all that
// quantising it needs beside its weights. A plain value, kept as JSON.
struct Calibration {
  // How the ranges were chosen, e.g. "percentile 99.99".
  std::string method;
  // Pictures that were looked at.
  int pictures = 0;
  // By the step that writes them (StepName()), the value that becomes the
  // largest level; larger ones are cut off. > 0.
  std::map<std::string, double> ranges;

  friend bool operator==(const Calibration&, const Calibration&) = default;
};

// The state-dict name of what the step computes: "layer1.0.conv2"; "features"
// for the average that the head reads. Empty for steps whose values have the
// range of their input (pooling) or stay float32 (the logits).
std::string StepName(const Step& step);

// OK when `calibration` has a range for each step of `program` that needs one,
// and no others. INVALID_ARGUMENT (MODEL_INVALID) naming the difference.
absl::Status CheckCalibration(const Program& program,
                              const Calibration& calibration);

// {
//   "format": "resnetd-calibration/1",
//   "method": "percentile 99.99",
//   "pictures": 64,
//   "ranges": {"conv1": 3.25, "layer1.0.conv1": 1.5, ...}
// }
// Canonical: equal calibrations have equal texts, and reading one gives the
// same numbers.
std::string FormatCalibration(const Calibration& calibration);
// INVALID_ARGUMENT (MODEL_INVALID) naming the member.
absl::StatusOr<Calibration> ParseCalibration(absl::string_view json);

}  // namespace resnetd
