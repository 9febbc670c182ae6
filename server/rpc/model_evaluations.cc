#include "server/rpc/model_evaluations.h"

#include <optional>

#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/base/violations.h"
#include "server/rpc/convert_evaluation.h"
#include "server/rpc/convert_request.h"
#include "server/rpc/convert_version.h"
#include "server/rpc/mutation_of.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

std::optional<Measurement> TakeMeasurement(const v1::Measurement& message,
                                           Violations& violations) {
  return violations.Take("measurement", ToMeasurement(message));
}

// The version that a request is about, and on what it is measured.
struct Subject {
  std::optional<VersionName> name;
  std::optional<Measurement> what;
};

template <typename Request>
Subject TakeSubject(const Request& request, Violations& violations) {
  Subject subject;
  subject.name =
      violations.Take("name", ParseVersionName("name", request.name()));
  subject.what = TakeMeasurement(request.measurement(), violations);
  return subject;
}

}  // namespace

absl::StatusOr<v1::EvaluateModelResponse> EvaluateModel(
    Evaluator& evaluator, const RequestLimits& /*limits*/,
    const v1::EvaluateModelRequest& request, const Evaluator::GoOn& go_on,
    absl::string_view /*actor*/) {
  Violations violations;
  const auto [name, what] = TakeSubject(request, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(
      const VersionEvaluation evaluation,
      evaluator.Evaluate(name->model, name->version, *what, go_on));
  v1::EvaluateModelResponse response;
  *response.mutable_report() = ToProto(evaluation, *what);
  return response;
}

absl::StatusOr<v1::CompareVersionsResponse> CompareVersions(
    Evaluator& evaluator, const RequestLimits& /*limits*/,
    const v1::CompareVersionsRequest& request, const Evaluator::GoOn& go_on,
    absl::string_view /*actor*/) {
  Violations violations;
  const std::optional<VersionName> champion = violations.Take(
      "champion", ParseVersionName("champion", request.champion()));
  const std::optional<VersionName> candidate = violations.Take(
      "candidate", ParseVersionName("candidate", request.candidate()));
  const std::optional<Measurement> what =
      TakeMeasurement(request.measurement(), violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(
      const VersionComparison comparison,
      evaluator.Compare(champion->model, champion->version, candidate->model,
                        candidate->version, *what, go_on));
  v1::CompareVersionsResponse response;
  *response.mutable_report() = ToProto(comparison, *what);
  return response;
}

absl::StatusOr<v1::CalibrateVersionResponse> CalibrateVersion(
    Evaluator& evaluator, const RequestLimits& limits,
    const v1::CalibrateVersionRequest& request, const Evaluator::GoOn& go_on,
    absl::string_view actor) {
  Violations violations;
  const auto [name, what] = TakeSubject(request, violations);
  violations.AddError("request_id",
                      CheckRequestId(request.request_id(), limits));
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(
      const TemperatureFit calibration,
      evaluator.Calibrate(
          name->model, name->version, *what, request.validate_only(),
          MutationOf("CalibrateVersion", request, actor), go_on));
  v1::CalibrateVersionResponse response;
  *response.mutable_version() =
      ToProto(calibration.calibrated.version, Labels::kInclude);
  response.set_created(calibration.calibrated.created);
  *response.mutable_report() = ToProto(calibration.evaluation, *what);
  return response;
}

absl::StatusOr<v1::QuantizeVersionResponse> QuantizeVersion(
    Evaluator& evaluator, const RequestLimits& /*limits*/,
    const v1::QuantizeVersionRequest& request, const Evaluator::GoOn& go_on,
    absl::string_view /*actor*/) {
  Violations violations;
  const auto [name, what] = TakeSubject(request, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const Quantization quantization,
                   evaluator.Quantize(name->model, name->version, *what,
                                      request.validate_only(), go_on));
  v1::QuantizeVersionResponse response;
  *response.mutable_version() = ToProto(quantization.version, Labels::kInclude);
  *response.mutable_report() =
      ToProto(quantization.report, *what, quantization.dataset_digest);
  return response;
}

absl::Status NoEvaluator() {
  return Error(absl::StatusCode::kFailedPrecondition,
               Reason::kBackendUnavailable,
               "this server has no datasets to measure on: ask one whose "
               "--roles have train");
}

}  // namespace resnetd
