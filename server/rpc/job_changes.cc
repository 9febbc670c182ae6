#include "server/rpc/job_changes.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/base/violations.h"
#include "server/rpc/convert_job.h"
#include "server/rpc/convert_job_spec.h"
#include "server/rpc/convert_recipe.h"
#include "server/rpc/convert_request.h"
#include "server/rpc/convert_version.h"
#include "server/rpc/mutation_of.h"
#include "server/rpc/proto_time.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

// What a request with a request_id names; `parse`: ParseJobName() and the like.
template <typename Request, typename Name>
absl::StatusOr<Name> NamedBy(const Request& request,
                             const RequestLimits& limits,
                             absl::StatusOr<Name> (*parse)(absl::string_view,
                                                           absl::string_view)) {
  Violations violations;
  const std::optional<Name> name =
      violations.Take("name", parse("name", request.name()));
  violations.AddError("request_id",
                      CheckRequestId(request.request_id(), limits));
  RETURN_IF_ERROR(violations.ToStatus());
  return *name;
}

template <typename Response, typename Request>
absl::StatusOr<Response> Call(JobManager& manager, const RequestLimits& limits,
                              const Request& request, JobCall call,
                              absl::string_view method,
                              absl::string_view actor) {
  ASSIGN_OR_RETURN(const JobNumber number,
                   NamedBy(request, limits, ParseJobName));
  ASSIGN_OR_RETURN(const Job job,
                   manager.CallJob(number, call, request.etag(),
                                   MutationOf(method, request, actor)));
  Response response;
  *response.mutable_job() = ToProto(job);
  return response;
}

// What the manager finds wrong stands in the spec.
absl::Status InSpec(const absl::Status& error) {
  if (error.code() != absl::StatusCode::kInvalidArgument) {
    return error;
  }
  Violations violations;
  violations.AddErrorIn("spec", error);
  return violations.ToStatus();
}

}  // namespace

absl::StatusOr<v1::CreateFineTuneJobResponse> CreateFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::CreateFineTuneJobRequest& request, absl::string_view actor) {
  Violations violations;
  const JobSpec spec = ToJobSpec(request.spec(), violations);
  if (!v1::JobStart_IsValid(request.start())) {
    violations.Add("start", absl::StrCat("start ", request.start(),
                                         " is no value of JobStart"));
  }
  violations.AddError("request_id",
                      CheckRequestId(request.request_id(), limits));
  RETURN_IF_ERROR(violations.ToStatus());
  const absl::StatusOr<NewJob> created = manager.CreateJob(
      spec, request.start() == v1::JOB_START_MANUAL, request.validate_only(),
      MutationOf("CreateFineTuneJob", request, actor));
  if (!created.ok()) {
    return InSpec(created.status());
  }
  v1::CreateFineTuneJobResponse response;
  *response.mutable_job() = ToProto(created->job);
  response.set_created(created->created);
  return response;
}

absl::StatusOr<v1::StartFineTuneJobResponse> StartFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::StartFineTuneJobRequest& request, absl::string_view actor) {
  return Call<v1::StartFineTuneJobResponse>(
      manager, limits, request, JobCall::kStart, "StartFineTuneJob", actor);
}

absl::StatusOr<v1::PauseFineTuneJobResponse> PauseFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::PauseFineTuneJobRequest& request, absl::string_view actor) {
  return Call<v1::PauseFineTuneJobResponse>(
      manager, limits, request, JobCall::kPause, "PauseFineTuneJob", actor);
}

absl::StatusOr<v1::ResumeFineTuneJobResponse> ResumeFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::ResumeFineTuneJobRequest& request, absl::string_view actor) {
  return Call<v1::ResumeFineTuneJobResponse>(
      manager, limits, request, JobCall::kResume, "ResumeFineTuneJob", actor);
}

absl::StatusOr<v1::CancelFineTuneJobResponse> CancelFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::CancelFineTuneJobRequest& request, absl::string_view actor) {
  return Call<v1::CancelFineTuneJobResponse>(
      manager, limits, request, JobCall::kCancel, "CancelFineTuneJob", actor);
}

absl::StatusOr<v1::DeleteFineTuneJobResponse> DeleteFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::DeleteFineTuneJobRequest& request, absl::string_view actor) {
  ASSIGN_OR_RETURN(const JobNumber job, NamedBy(request, limits, ParseJobName));
  RETURN_IF_ERROR(manager.DeleteJob(
      job, request.etag(), MutationOf("DeleteFineTuneJob", request, actor)));
  return v1::DeleteFineTuneJobResponse();
}

absl::StatusOr<v1::DeleteCheckpointResponse> DeleteCheckpoint(
    JobManager& manager, const RequestLimits& limits,
    const v1::DeleteCheckpointRequest& request, absl::string_view actor) {
  ASSIGN_OR_RETURN(const CheckpointReference wanted,
                   NamedBy(request, limits, ParseCheckpointName));
  RETURN_IF_ERROR(manager.DeleteCheckpoint(
      wanted.job, wanted.step, MutationOf("DeleteCheckpoint", request, actor)));
  return v1::DeleteCheckpointResponse();
}

absl::StatusOr<v1::PublishCheckpointResponse> PublishCheckpoint(
    JobManager& manager, const RequestLimits& limits,
    const v1::PublishCheckpointRequest& request, absl::string_view actor) {
  ASSIGN_OR_RETURN(const CheckpointReference wanted,
                   NamedBy(request, limits, ParseCheckpointName));
  ASSIGN_OR_RETURN(const Imported made,
                   manager.PublishCheckpoint(
                       wanted.job, wanted.step,
                       MutationOf("PublishCheckpoint", request, actor)));
  v1::PublishCheckpointResponse response;
  *response.mutable_version() = ToProto(made.version, Labels::kInclude);
  response.set_created(made.created);
  return response;
}

absl::StatusOr<v1::EstimateFineTuneJobResponse> EstimateFineTuneJob(
    JobManager& manager, const RequestLimits& /*limits*/,
    const v1::EstimateFineTuneJobRequest& request,
    absl::string_view /*actor*/) {
  Violations violations;
  const JobSpec spec = ToJobSpec(request.spec(), violations);
  RETURN_IF_ERROR(violations.ToStatus());
  const absl::StatusOr<JobEstimate> estimate = manager.EstimateJob(spec);
  if (!estimate.ok()) {
    return InSpec(estimate.status());
  }
  v1::EstimateFineTuneJobResponse response;
  response.set_steps(estimate->steps);
  response.set_peak_bytes(estimate->peak_bytes);
  response.set_free_bytes(estimate->free_bytes);
  *response.mutable_duration_low() = ToProto(estimate->low);
  *response.mutable_duration_high() = ToProto(estimate->high);
  response.set_measured_steps(estimate->measured_steps);
  *response.mutable_recipe() = ToProto(estimate->recipe);
  return response;
}

}  // namespace resnetd
