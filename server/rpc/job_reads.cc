#include "server/rpc/job_reads.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/base/violations.h"
#include "server/rpc/convert_gradient.h"
#include "server/rpc/convert_job.h"
#include "server/rpc/page_token.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

// The number that the page before ended with; `first` for the first page.
absl::StatusOr<std::int64_t> ReadNumberToken(absl::string_view list,
                                             absl::string_view token,
                                             std::int64_t first) {
  ASSIGN_OR_RETURN(const std::string last, ReadPageToken(list, token));
  if (last.empty()) {
    return first;
  }
  std::int64_t number = 0;
  if (!absl::SimpleAtoi(last, &number) || number < 0) {
    return PageTokenError();
  }
  return number;
}

// The states asked for, as bits; all for none.
absl::StatusOr<std::uint32_t> ReadStates(
    const v1::ListFineTuneJobsRequest& request) {
  std::uint32_t states = 0;
  Violations violations;
  for (int i = 0; i < request.states_size(); ++i) {
    const int state = request.states(i);
    if (state == v1::JOB_STATE_UNSPECIFIED || !v1::JobState_IsValid(state)) {
      const std::string field = absl::StrCat("states[", i, "]");
      violations.Add(field,
                     absl::StrCat(field, " ", state, " is no state of a job"));
      continue;
    }
    states |= 1U << static_cast<unsigned>(state);
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return states == 0 ? ~0U : states;
}

}  // namespace

absl::Status NoTraining() {
  return Error(absl::StatusCode::kFailedPrecondition,
               Reason::kBackendUnavailable,
               "this server does not train: ask one whose --roles have train");
}

bool JobEvents::Has(const JobEvent& event) const {
  return kinds == 0 ||
         (kinds >> static_cast<unsigned>(KindOf(event.body)) & 1U) != 0;
}

absl::StatusOr<JobEvents> ToJobEvents(
    absl::string_view field, absl::string_view name, std::int64_t after,
    const google::protobuf::RepeatedField<int>& kinds) {
  Violations violations;
  JobEvents events;
  events.job =
      violations.Take(field, ParseJobName(field, name)).value_or(JobNumber());
  if (after < 0) {
    violations.Add("after_sequence",
                   absl::StrCat("after_sequence ", after,
                                " is not 0 or the sequence of an event"));
  }
  events.after = after;
  for (int i = 0; i < kinds.size(); ++i) {
    if (kinds[i] == v1::JOB_EVENT_KIND_UNSPECIFIED ||
        !v1::JobEventKind_IsValid(kinds[i])) {
      const std::string kind = absl::StrCat("kinds[", i, "]");
      violations.Add(
          kind, absl::StrCat(kind, " ", kinds[i], " is no kind of an event"));
      continue;
    }
    events.kinds |= 1U << static_cast<unsigned>(kinds[i]);
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return events;
}

absl::StatusOr<v1::GetFineTuneJobResponse> GetFineTuneJob(
    JobManager& manager, const v1::GetFineTuneJobRequest& request) {
  ASSIGN_OR_RETURN(const JobNumber number,
                   ParseJobName("name", request.name()));
  ASSIGN_OR_RETURN(const Job job, manager.GetJob(number));
  v1::GetFineTuneJobResponse response;
  *response.mutable_job() = ToProto(job);
  return response;
}

absl::StatusOr<v1::ListFineTuneJobsResponse> ListFineTuneJobs(
    JobManager& manager, const v1::ListFineTuneJobsRequest& request) {
  constexpr absl::string_view kList = "jobs";
  ASSIGN_OR_RETURN(const std::size_t page_size, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(const std::uint32_t states, ReadStates(request));
  ASSIGN_OR_RETURN(const std::int64_t before,
                   ReadNumberToken(kList, request.page_token(),
                                   std::numeric_limits<std::int64_t>::max()));
  ASSIGN_OR_RETURN(const std::vector<Job> jobs, manager.ListJobs());
  v1::ListFineTuneJobsResponse response;
  std::int64_t last = 0;
  // Newest first; the page goes on below a number, not at an index: jobs may
  // come and go between two pages.
  for (const Job& job : jobs) {
    if (job.number.value >= before ||
        (states >> static_cast<unsigned>(job.status.state) & 1U) == 0) {
      continue;
    }
    if (static_cast<std::size_t>(response.jobs_size()) == page_size) {
      response.set_next_page_token(MakePageToken(kList, absl::StrCat(last)));
      break;
    }
    *response.add_jobs() = ToProto(job);
    last = job.number.value;
  }
  return response;
}

absl::StatusOr<v1::ListFineTuneJobEventsResponse> ListFineTuneJobEvents(
    JobManager& manager, const v1::ListFineTuneJobEventsRequest& request) {
  ASSIGN_OR_RETURN(JobEvents wanted,
                   ToJobEvents("parent", request.parent(),
                               request.after_sequence(), request.kinds()));
  ASSIGN_OR_RETURN(const std::size_t page_size, PageSize(request.page_size()));
  const std::string list = absl::StrCat(ResourceName(wanted.job), "/events");
  ASSIGN_OR_RETURN(wanted.after,
                   ReadNumberToken(list, request.page_token(), wanted.after));
  v1::ListFineTuneJobEventsResponse response;
  std::size_t looked_at = 0;
  std::size_t bytes = 0;
  const auto is_full = [&] {
    return static_cast<std::size_t>(response.events_size()) == page_size ||
           looked_at >= kMaxEventsLookedAt || bytes >= kMaxEventPageBytes;
  };
  while (true) {
    // One more than the page takes tells whether there is another page.
    ASSIGN_OR_RETURN(const std::vector<JobEvent> events,
                     manager.Events(wanted.job, wanted.after, page_size + 1));
    for (const JobEvent& event : events) {
      if (is_full()) {
        response.set_next_page_token(
            MakePageToken(list, absl::StrCat(wanted.after)));
        return response;
      }
      wanted.after = event.sequence;
      ++looked_at;
      if (wanted.Has(event)) {
        v1::JobEvent& added = *response.add_events();
        added = ToProto(event);
        bytes += added.ByteSizeLong();
      }
    }
    if (events.size() <= page_size) {
      return response;
    }
  }
}

absl::StatusOr<v1::ListCheckpointsResponse> ListCheckpoints(
    JobManager& manager, const v1::ListCheckpointsRequest& request) {
  ASSIGN_OR_RETURN(const JobNumber job,
                   ParseJobName("parent", request.parent()));
  ASSIGN_OR_RETURN(const std::size_t page_size, PageSize(request.page_size()));
  const std::string list = absl::StrCat(ResourceName(job), "/checkpoints");
  ASSIGN_OR_RETURN(const std::int64_t after,
                   ReadNumberToken(list, request.page_token(), -1));
  ASSIGN_OR_RETURN(const std::vector<Checkpoint> checkpoints,
                   manager.Checkpoints(job));
  v1::ListCheckpointsResponse response;
  for (const Checkpoint& checkpoint : checkpoints) {
    if (checkpoint.step <= after) {
      continue;
    }
    const int size = response.checkpoints_size();
    if (static_cast<std::size_t>(size) == page_size) {
      response.set_next_page_token(MakePageToken(
          list, absl::StrCat(response.checkpoints(size - 1).step())));
      break;
    }
    *response.add_checkpoints() = ToProto(job, checkpoint);
  }
  return response;
}

absl::StatusOr<v1::GetGradientReportResponse> GetGradientReport(
    JobManager& manager, const v1::GetGradientReportRequest& request) {
  ASSIGN_OR_RETURN(const GradientQuery query, ToGradientQuery(request));
  ASSIGN_OR_RETURN(const GradientReport report, manager.Gradients(query));
  v1::GetGradientReportResponse response;
  *response.mutable_report() = ToProto(report);
  return response;
}

absl::StatusOr<v1::GetCheckpointResponse> GetCheckpoint(
    JobManager& manager, const v1::GetCheckpointRequest& request) {
  ASSIGN_OR_RETURN(const CheckpointReference wanted,
                   ParseCheckpointName("name", request.name()));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                   manager.GetCheckpoint(wanted.job, wanted.step));
  v1::GetCheckpointResponse response;
  *response.mutable_checkpoint() = ToProto(wanted.job, checkpoint);
  return response;
}

}  // namespace resnetd
