#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"
#include "server/finetune/job_ledger.h"
#include "server/models/model_manager.h"
#include "server/models/version_tallies.h"
#include "server/telemetry/training_metrics.h"

namespace resnetd {

// What is watched of a promotion that moved an alias to `moved` at `now`;
// nullopt: nothing, as nobody asked for it, or there is no version to go back
// to. Begins to count anew what the version answers. `tallies`: null: nobody
// counts.
std::optional<WatchedPromotion> WatchOf(const PromotionSpec& promotion,
                                        const AliasRow& moved,
                                        VersionTallies* tallies, WallTime now);

// Watches over versions that jobs have promoted, and moves the alias back to
// the version before when the new one is worse: see JudgeWatch(). What somebody
// moved since is left where it is.
//
// What is watched, until when and against what is in the status of the job, so
// a restart goes on with it; what the version has answered is counted anew
// then. A rollback is decided in one commit and carried out in another: it
// happens once, whenever the server dies.
//
// Thread-safe. Looks once a second, in a thread of its own, while there is
// something to watch.
class PromotionWatcher {
 public:
  // All outlive the watcher.
  PromotionWatcher(JobLedger& ledger, ModelManager& models,
                   const VersionTallies& tallies, TrainingMetrics& metrics,
                   const Clock& clock);
  ~PromotionWatcher();

  // Begins to look. Once.
  void Start();
  // Ends, for a restart. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // The job has JobStatus::watch.
  void Add(JobNumber job) ABSL_LOCKS_EXCLUDED(mutex_);
  // One look at each.
  void LookAtAll() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  // False: there is nothing left to watch.
  absl::StatusOr<bool> Look(JobNumber number);
  absl::StatusOr<bool> RollBack(const Job& job, const std::string& why);
  // The watch is over.
  absl::Status End(JobNumber job, PromotionState promotion, LogLine line);
  absl::Status Change(JobNumber job,
                      const std::function<void(JobEdit&)>& change);

  JobLedger& ledger_;
  ModelManager& models_;
  const VersionTallies& tallies_;
  TrainingMetrics& metrics_;
  const Clock& clock_;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<JobNumber> watched_ ABSL_GUARDED_BY(mutex_);
  Thread thread_;
};

}  // namespace resnetd
