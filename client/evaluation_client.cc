// The calls of Client that measure versions.
#include <string>
#include <utility>

#include "client/calls.h"
#include "client/convert.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

using Stub = v1::ModelService::Stub;

}  // namespace

absl::StatusOr<EvaluationReport> Client::EvaluateModel(
    absl::string_view version, const Measurement& measurement) {
  v1::EvaluateModelRequest request;
  request.set_name(ModelResource(version));
  *request.mutable_measurement() = ToProto(measurement);
  v1::EvaluateModelResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::EvaluateModel,
                              request, response));
  return FromProto(response.report());
}

absl::StatusOr<PairedReport> Client::CompareVersions(
    const CompareRequest& request) {
  v1::CompareVersionsRequest message;
  message.set_champion(ModelResource(request.champion));
  message.set_candidate(ModelResource(request.candidate));
  *message.mutable_measurement() = ToProto(request.measurement);
  v1::CompareVersionsResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::CompareVersions,
                              message, response));
  return FromProto(response.report());
}

absl::StatusOr<Calibrated> Client::CalibrateVersion(
    const CalibrateRequest& request) {
  v1::CalibrateVersionRequest message;
  message.set_name(ModelResource(request.name));
  *message.mutable_measurement() = ToProto(request.measurement);
  // A repetition without an id could be a second change.
  message.set_request_id(request.request_id.empty() ? NewRequestId()
                                                    : request.request_id);
  message.set_validate_only(request.validate_only);
  v1::CalibrateVersionResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::CalibrateVersion,
                              message, response));
  return Calibrated{.version = FromProto(response.version()),
                    .created = response.created(),
                    .report = FromProto(response.report())};
}

absl::StatusOr<Quantized> Client::QuantizeVersion(
    const QuantizeRequest& request) {
  v1::QuantizeVersionRequest message;
  message.set_name(ModelResource(request.name));
  *message.mutable_measurement() = ToProto(request.measurement);
  message.set_validate_only(request.validate_only);
  v1::QuantizeVersionResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::QuantizeVersion,
                              message, response));
  return Quantized{.version = FromProto(response.version()),
                   .report = FromProto(response.report())};
}

}  // namespace resnetd::client
