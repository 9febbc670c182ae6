#include "server/rpc/job_changes.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/base/violations.h"
#include "server/rpc/convert_job.h"
#include "server/rpc/convert_job_spec.h"
#include "server/rpc/convert_request.h"
#include "server/rpc/mutation_of.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

// The job that a request with a request_id names.
template <typename Request>
absl::StatusOr<JobNumber> JobOf(const Request& request,
                                const RequestLimits& limits) {
  Violations violations;
  const std::optional<JobNumber> job =
      violations.Take("name", ParseJobName("name", request.name()));
  violations.AddError("request_id",
                      CheckRequestId(request.request_id(), limits));
  RETURN_IF_ERROR(violations.ToStatus());
  return *job;
}

template <typename Response, typename Request>
absl::StatusOr<Response> Call(JobManager& manager, const RequestLimits& limits,
                              const Request& request, JobCall call,
                              absl::string_view method) {
  ASSIGN_OR_RETURN(const JobNumber number, JobOf(request, limits));
  ASSIGN_OR_RETURN(const Job job, manager.CallJob(number, call, request.etag(),
                                                  MutationOf(method, request)));
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
    const v1::CreateFineTuneJobRequest& request) {
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
      MutationOf("CreateFineTuneJob", request));
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
    const v1::StartFineTuneJobRequest& request) {
  return Call<v1::StartFineTuneJobResponse>(
      manager, limits, request, JobCall::kStart, "StartFineTuneJob");
}

absl::StatusOr<v1::PauseFineTuneJobResponse> PauseFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::PauseFineTuneJobRequest& request) {
  return Call<v1::PauseFineTuneJobResponse>(
      manager, limits, request, JobCall::kPause, "PauseFineTuneJob");
}

absl::StatusOr<v1::ResumeFineTuneJobResponse> ResumeFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::ResumeFineTuneJobRequest& request) {
  return Call<v1::ResumeFineTuneJobResponse>(
      manager, limits, request, JobCall::kResume, "ResumeFineTuneJob");
}

absl::StatusOr<v1::CancelFineTuneJobResponse> CancelFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::CancelFineTuneJobRequest& request) {
  return Call<v1::CancelFineTuneJobResponse>(
      manager, limits, request, JobCall::kCancel, "CancelFineTuneJob");
}

absl::StatusOr<v1::DeleteFineTuneJobResponse> DeleteFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::DeleteFineTuneJobRequest& request) {
  ASSIGN_OR_RETURN(const JobNumber job, JobOf(request, limits));
  RETURN_IF_ERROR(manager.DeleteJob(job, request.etag(),
                                    MutationOf("DeleteFineTuneJob", request)));
  return v1::DeleteFineTuneJobResponse();
}

}  // namespace resnetd
