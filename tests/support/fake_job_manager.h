#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/finetune/job_manager.h"

namespace resnetd {

// What a caller asks for who leaves everything to the server.
JobSpec FakeJobSpec();

// A JobManager in memory that trains nothing: what happens to a job, a test
// says. Fails and waits as a test says. Thread-safe.
class FakeJobManager final : public JobManager {
 public:
  // Of every event that no other time is said for.
  static constexpr WallTime kTime = WallTime(std::chrono::seconds(1767225600));

  // The next calls of `method` ("CreateJob", "Events", ...) fail so; OK: no
  // longer.
  void Fail(const std::string& method, absl::Status error);
  // From here on calls of `method` wait for Release().
  void Hold(const std::string& method);
  void Release();
  // Waits until `method` was called `count` times, held ones included.
  void AwaitCalls(const std::string& method, std::size_t count);
  std::size_t calls(const std::string& method);
  // Those of the last change.
  Mutation last_mutation();
  JobSpec last_spec();
  bool last_wait_for_start();
  std::string last_etag();

  // A job in `state`, with one event: it was taken in.
  JobNumber Add(JobState state, JobSpec spec = FakeJobSpec());
  // Something happens to the job. A StateChanged changes its state.
  void Tell(JobNumber job, JobEventBody body, WallTime time = kTime);
  // `count` times the same.
  void TellMany(JobNumber job, const JobEventBody& body, int count,
                WallTime time = kTime);
  // Goes to `state`.
  void Move(JobNumber job, JobState state, WallTime time = kTime);
  // Changes a job in place.
  void Edit(JobNumber job, const std::function<void(Job&)>& edit);
  void AddCheckpoint(JobNumber job, Checkpoint checkpoint);
  // What it shows of its gradients.
  void SetSamples(JobNumber job, JobSamples samples);

  absl::Status Start() override { return absl::OkStatus(); }
  void Stop() override {}
  absl::StatusOr<NewJob> CreateJob(const JobSpec& spec, bool wait_for_start,
                                   bool validate_only,
                                   const Mutation& mutation) override;
  absl::StatusOr<Job> CallJob(JobNumber job, JobCall call,
                              absl::string_view etag,
                              const Mutation& mutation) override;
  absl::Status DeleteJob(JobNumber job, absl::string_view etag,
                         const Mutation& mutation) override;
  absl::StatusOr<std::vector<Job>> ListJobs() override;
  absl::StatusOr<Job> GetJob(JobNumber job) override;
  absl::StatusOr<std::vector<JobEvent>> Events(JobNumber job,
                                               std::int64_t after,
                                               std::size_t limit) override;
  absl::StatusOr<std::vector<Checkpoint>> Checkpoints(JobNumber job) override;
  absl::StatusOr<GradientReport> Gradients(const GradientQuery& query) override;
  absl::StatusOr<Checkpoint> GetCheckpoint(JobNumber job,
                                           std::int64_t step) override;
  // 100 steps in 1 to 2 minutes, a million bytes.
  absl::StatusOr<JobEstimate> EstimateJob(const JobSpec& spec) override;
  // The version's number is `step`.
  absl::StatusOr<Imported> PublishCheckpoint(JobNumber job, std::int64_t step,
                                             const Mutation& mutation) override;
  absl::Status DeleteCheckpoint(JobNumber job, std::int64_t step,
                                const Mutation& mutation) override;
  std::unique_ptr<Subscription> Subscribe(
      std::function<void()> listener) override;

 private:
  struct Kept {
    Job job;
    std::vector<JobEvent> events;
    std::vector<Checkpoint> checkpoints;
    JobSamples samples;
  };
  class Listening;

  // Counts a call, waits while it is held, fails as told.
  absl::Status Enter(const std::string& method)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Kept*> Find(JobNumber job)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Finds a job whose etag is the one given.
  absl::StatusOr<Kept*> FindFor(const std::string& method, JobNumber job,
                                absl::string_view etag,
                                const Mutation& mutation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Its place.
  static absl::StatusOr<std::size_t> FindCheckpoint(const Kept& kept,
                                                    std::int64_t step);
  JobNumber AddLocked(JobState state, JobSpec spec)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellLocked(Kept& kept, JobEventBody body, WallTime time)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellListeners() ABSL_LOCKS_EXCLUDED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  std::map<JobNumber, Kept> jobs_ ABSL_GUARDED_BY(mutex_);
  std::int64_t last_job_ ABSL_GUARDED_BY(mutex_) = 0;
  // request_id: hash of the request, and the job it was about.
  std::map<std::string, std::pair<std::string, JobNumber>> done_
      ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Status> errors_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> held_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::size_t> calls_ ABSL_GUARDED_BY(mutex_);
  Mutation last_mutation_ ABSL_GUARDED_BY(mutex_);
  std::optional<JobSpec> last_spec_ ABSL_GUARDED_BY(mutex_);
  bool last_wait_for_start_ ABSL_GUARDED_BY(mutex_) = false;
  std::string last_etag_ ABSL_GUARDED_BY(mutex_);
  std::map<int, std::function<void()>> listeners_ ABSL_GUARDED_BY(mutex_);
  int last_listener_ ABSL_GUARDED_BY(mutex_) = 0;
  int telling_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace resnetd
