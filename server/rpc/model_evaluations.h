#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/model_service.pb.h"
#include "server/finetune/evaluator.h"
#include "server/rpc/mutation_of.h"
#include "server/rpc/request_limits.h"

namespace resnetd {

// What the methods of ModelService that measure versions answer: all fields are
// checked, and named if they are wrong, before the evaluator is asked.
// Thread-safe as the evaluator is; they take as long as the pictures need.

absl::StatusOr<v1::EvaluateModelResponse> EvaluateModel(
    Evaluator& evaluator, const RequestLimits& limits,
    const v1::EvaluateModelRequest& request, const Evaluator::GoOn& go_on,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::CompareVersionsResponse> CompareVersions(
    Evaluator& evaluator, const RequestLimits& limits,
    const v1::CompareVersionsRequest& request, const Evaluator::GoOn& go_on,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::CalibrateVersionResponse> CalibrateVersion(
    Evaluator& evaluator, const RequestLimits& limits,
    const v1::CalibrateVersionRequest& request, const Evaluator::GoOn& go_on,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::QuantizeVersionResponse> QuantizeVersion(
    Evaluator& evaluator, const RequestLimits& limits,
    const v1::QuantizeVersionRequest& request, const Evaluator::GoOn& go_on,
    absl::string_view actor = kAnonymous);

// FAILED_PRECONDITION (BACKEND_UNAVAILABLE): there is no evaluator.
absl::Status NoEvaluator();

}  // namespace resnetd
