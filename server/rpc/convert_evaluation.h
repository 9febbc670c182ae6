#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "resnetd/v1/evaluation.pb.h"
#include "server/finetune/model_evaluation.h"
#include "server/models/precision_report.h"
#include "server/store/store_types.h"

namespace resnetd {

// What is measured, of a request: INVALID_ARGUMENT (REQUEST_INVALID) with every
// violation.
absl::StatusOr<Measurement> ToMeasurement(const v1::Measurement& message);

// What was measured, as messages. Classes without pictures are left out, and of
// many classes all but the most confused pairs.
v1::EvaluationReport ToProto(const VersionEvaluation& evaluation,
                             const Measurement& what);
v1::PairedReport ToProto(const VersionComparison& comparison,
                         const Measurement& what);
v1::PrecisionReport ToProto(const PrecisionReport& report,
                            const Measurement& what, const Digest& dataset);

// Classes up to which the confusion matrix is sent whole.
inline constexpr int kWholeConfusion = 100;
// Pairs of classes that are sent beyond.
inline constexpr std::size_t kConfusedPairs = 200;

}  // namespace resnetd
