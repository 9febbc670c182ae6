#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/fine_tune_service.pb.h"
#include "server/finetune/job_manager.h"
#include "server/rpc/mutation_of.h"
#include "server/rpc/request_limits.h"

namespace resnetd {

// What the methods of FineTuneService that change something answer: all fields
// are checked, and named if they are wrong, before the manager is asked. What
// it finds wrong in a spec is named "spec.<field>" too. Thread-safe as the
// manager is; they wait for the disk.

absl::StatusOr<v1::CreateFineTuneJobResponse> CreateFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::CreateFineTuneJobRequest& request,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::StartFineTuneJobResponse> StartFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::StartFineTuneJobRequest& request,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::PauseFineTuneJobResponse> PauseFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::PauseFineTuneJobRequest& request,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::ResumeFineTuneJobResponse> ResumeFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::ResumeFineTuneJobRequest& request,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::CancelFineTuneJobResponse> CancelFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::CancelFineTuneJobRequest& request,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::DeleteFineTuneJobResponse> DeleteFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::DeleteFineTuneJobRequest& request,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::DeleteCheckpointResponse> DeleteCheckpoint(
    JobManager& manager, const RequestLimits& limits,
    const v1::DeleteCheckpointRequest& request,
    absl::string_view actor = kAnonymous);

// These take seconds to minutes.
absl::StatusOr<v1::PublishCheckpointResponse> PublishCheckpoint(
    JobManager& manager, const RequestLimits& limits,
    const v1::PublishCheckpointRequest& request,
    absl::string_view actor = kAnonymous);
absl::StatusOr<v1::EstimateFineTuneJobResponse> EstimateFineTuneJob(
    JobManager& manager, const RequestLimits& limits,
    const v1::EstimateFineTuneJobRequest& request,
    absl::string_view actor = kAnonymous);

}  // namespace resnetd
