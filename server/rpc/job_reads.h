#pragma once

#include <google/protobuf/repeated_field.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/fine_tune_service.pb.h"
#include "server/finetune/job_manager.h"

namespace resnetd {

// Events that one call of ListFineTuneJobEvents looks at: it must not read a
// million of them to find a few of the kinds asked for.
inline constexpr std::size_t kMaxEventsLookedAt = 10'000;
// Bytes of events after which a page ends: samples of large networks have 10 kB
// each, and gRPC's clients take messages of 4 MiB unless told otherwise.
inline constexpr std::size_t kMaxEventPageBytes = std::size_t{2} << 20U;

// What a server without the role of training answers: FAILED_PRECONDITION
// (BACKEND_UNAVAILABLE).
absl::Status NoTraining();

// Which events a caller asks for.
struct JobEvents {
  JobNumber job;
  std::int64_t after = 0;
  // Bit k: those of v1::JobEventKind k; 0: all.
  std::uint32_t kinds = 0;

  bool Has(const JobEvent& event) const;
};
// INVALID_ARGUMENT with every wrong field: `field`, "after_sequence",
// "kinds[i]".
absl::StatusOr<JobEvents> ToJobEvents(
    absl::string_view field, absl::string_view name, std::int64_t after,
    const google::protobuf::RepeatedField<int>& kinds);

// What the methods of FineTuneService that change nothing answer. Thread-safe
// as the manager is; they may wait for the disk.

absl::StatusOr<v1::GetFineTuneJobResponse> GetFineTuneJob(
    JobManager& manager, const v1::GetFineTuneJobRequest& request);
absl::StatusOr<v1::ListFineTuneJobsResponse> ListFineTuneJobs(
    JobManager& manager, const v1::ListFineTuneJobsRequest& request);
absl::StatusOr<v1::ListFineTuneJobEventsResponse> ListFineTuneJobEvents(
    JobManager& manager, const v1::ListFineTuneJobEventsRequest& request);
absl::StatusOr<v1::ListCheckpointsResponse> ListCheckpoints(
    JobManager& manager, const v1::ListCheckpointsRequest& request);
absl::StatusOr<v1::GetGradientReportResponse> GetGradientReport(
    JobManager& manager, const v1::GetGradientReportRequest& request);
absl::StatusOr<v1::GetCheckpointResponse> GetCheckpoint(
    JobManager& manager, const v1::GetCheckpointRequest& request);

}  // namespace resnetd
