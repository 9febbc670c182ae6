#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "resnetd/v1/fine_tune_service.grpc.pb.h"
#include "server/base/mutex.h"

namespace resnetd::test {

// FineTuneService over jobs in memory, as the proto describes it; what happens
// to a job, a test says. Times begin at 2026-11-21 12:00:00 UTC and are a
// second apart. Thread-safe; the hooks are changed before the first call.
class FakeJobs : public v1::FineTuneService::Service {
 public:
  // Called at the beginning of each call with the name of the method; an error
  // is its answer. Empty: nothing fails.
  std::function<grpc::Status(const std::string& method)> before;

  // A job in `state`; returns its name.
  std::string Add(v1::JobState state) ABSL_LOCKS_EXCLUDED(mutex_);
  // Something happens; sequence and time are filled in. A StateChanged changes
  // the state.
  void Tell(const std::string& job, v1::JobEvent event)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Move(const std::string& job, v1::JobState state)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Change(const std::string& job,
              const std::function<void(v1::FineTuneJob&)>& change)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void AddCheckpoint(const std::string& job, const v1::Checkpoint& checkpoint)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // What the job shows of its gradients; without, it has no samples.
  void SetGradients(const std::string& job, const v1::GradientReport& report)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Of the last call that asked for them.
  v1::GetGradientReportRequest asked_gradients() const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls of every kind so far, each try by itself.
  int calls() const { return calls_; }
  // Watches that have begun so far.
  int watches() const { return watches_; }
  // Of the last call that creates a job.
  v1::CreateFineTuneJobRequest created() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Of the changes so far, each try by itself.
  std::vector<std::string> request_ids() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the watches there are with UNAVAILABLE, once they have told
  // everything.
  void BreakWatches() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends everything that waits.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::Status CreateFineTuneJob(
      grpc::ServerContext* context, const v1::CreateFineTuneJobRequest* request,
      v1::CreateFineTuneJobResponse* response) override;
  grpc::Status StartFineTuneJob(
      grpc::ServerContext* context, const v1::StartFineTuneJobRequest* request,
      v1::StartFineTuneJobResponse* response) override;
  grpc::Status PauseFineTuneJob(
      grpc::ServerContext* context, const v1::PauseFineTuneJobRequest* request,
      v1::PauseFineTuneJobResponse* response) override;
  grpc::Status ResumeFineTuneJob(
      grpc::ServerContext* context, const v1::ResumeFineTuneJobRequest* request,
      v1::ResumeFineTuneJobResponse* response) override;
  grpc::Status CancelFineTuneJob(
      grpc::ServerContext* context, const v1::CancelFineTuneJobRequest* request,
      v1::CancelFineTuneJobResponse* response) override;
  grpc::Status DeleteFineTuneJob(
      grpc::ServerContext* context, const v1::DeleteFineTuneJobRequest* request,
      v1::DeleteFineTuneJobResponse* response) override;
  grpc::Status GetFineTuneJob(grpc::ServerContext* context,
                              const v1::GetFineTuneJobRequest* request,
                              v1::GetFineTuneJobResponse* response) override;
  grpc::Status ListFineTuneJobs(
      grpc::ServerContext* context, const v1::ListFineTuneJobsRequest* request,
      v1::ListFineTuneJobsResponse* response) override;
  grpc::Status WatchFineTuneJob(
      grpc::ServerContext* context, const v1::WatchFineTuneJobRequest* request,
      grpc::ServerWriter<v1::WatchFineTuneJobResponse>* writer) override;
  grpc::Status ListFineTuneJobEvents(
      grpc::ServerContext* context,
      const v1::ListFineTuneJobEventsRequest* request,
      v1::ListFineTuneJobEventsResponse* response) override;
  grpc::Status ListCheckpoints(grpc::ServerContext* context,
                               const v1::ListCheckpointsRequest* request,
                               v1::ListCheckpointsResponse* response) override;
  grpc::Status GetGradientReport(
      grpc::ServerContext* context, const v1::GetGradientReportRequest* request,
      v1::GetGradientReportResponse* response) override;
  grpc::Status GetCheckpoint(grpc::ServerContext* context,
                             const v1::GetCheckpointRequest* request,
                             v1::GetCheckpointResponse* response) override;
  grpc::Status DeleteCheckpoint(
      grpc::ServerContext* context, const v1::DeleteCheckpointRequest* request,
      v1::DeleteCheckpointResponse* response) override;
  // The version has the number of the step, and half of its pictures right.
  grpc::Status PublishCheckpoint(
      grpc::ServerContext* context, const v1::PublishCheckpointRequest* request,
      v1::PublishCheckpointResponse* response) override;
  // 600 steps in 90 to 120 seconds, 2 MiB of 8.
  grpc::Status EstimateFineTuneJob(
      grpc::ServerContext* context,
      const v1::EstimateFineTuneJobRequest* request,
      v1::EstimateFineTuneJobResponse* response) override;

 private:
  struct Kept {
    v1::FineTuneJob job;
    std::vector<v1::JobEvent> events;
    std::vector<v1::Checkpoint> checkpoints;
    std::optional<v1::GradientReport> gradients;
  };

  grpc::Status Begin(const std::string& method);
  std::string AddLocked(v1::JobState state, const v1::FineTuneJobSpec& spec)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellLocked(Kept& kept, v1::JobEvent event)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Null: there is none.
  Kept* Find(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The job of a checkpoint, and the place of that in it.
  std::optional<std::pair<Kept*, int>> FindCheckpoint(const std::string& name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  template <typename Request, typename Response>
  grpc::Status Call(const std::string& method, const Request& request,
                    v1::JobState next, Response& response)
      ABSL_LOCKS_EXCLUDED(mutex_);

  std::atomic<int> calls_ = 0;    // A counter.
  std::atomic<int> watches_ = 0;  // A counter.
  mutable Mutex mutex_;
  CondVar changed_;
  std::map<std::string, Kept> jobs_ ABSL_GUARDED_BY(mutex_);
  int last_job_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t seconds_ ABSL_GUARDED_BY(mutex_) = 1'795'262'400;
  v1::CreateFineTuneJobRequest created_ ABSL_GUARDED_BY(mutex_);
  v1::GetGradientReportRequest asked_gradients_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> request_ids_ ABSL_GUARDED_BY(mutex_);
  int watch_epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace resnetd::test
