#include "server/finetune/promotion_watcher.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/finetune/job_json.h"
#include "server/finetune/watch_rules.h"

namespace resnetd {
namespace {

constexpr Duration kLookInterval = std::chrono::seconds(1);

}  // namespace

std::optional<WatchedPromotion> WatchOf(const PromotionSpec& promotion,
                                        const AliasRow& moved,
                                        VersionTallies* tallies, WallTime now) {
  if (tallies == nullptr || promotion.kind != PromotionKind::kAlias ||
      promotion.watch.duration.count() == 0 || !moved.previous) {
    return std::nullopt;
  }
  const VersionTally before = tallies->Read(moved.model, *moved.previous);
  tallies->Forget(moved.model, moved.version);
  WatchedPromotion watch{.alias = moved.alias,
                         .version = moved.version,
                         .alias_etag = EtagOf(moved),
                         .until = now + promotion.watch.duration,
                         .answers_before = before.answers};
  if (before.answers > 0) {
    watch.confidence_before =
        before.confidence_sum / static_cast<double>(before.answers);
  }
  return watch;
}

PromotionWatcher::PromotionWatcher(JobLedger& ledger, ModelManager& models,
                                   const VersionTallies& tallies,
                                   TrainingMetrics& metrics, const Clock& clock)
    : ledger_(ledger),
      models_(models),
      tallies_(tallies),
      metrics_(metrics),
      clock_(clock) {}

PromotionWatcher::~PromotionWatcher() { Stop(); }

void PromotionWatcher::Start() {
  thread_ = Thread("watch-0", [this] { Work(); });
}

void PromotionWatcher::Stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.Join();
}

void PromotionWatcher::Add(JobNumber job) {
  {
    const MutexLock lock(mutex_);
    watched_.insert(job);
  }
  changed_.NotifyAll();
}

void PromotionWatcher::Work() {
  while (true) {
    {
      const MutexLock lock(mutex_);
      while (!stopping_ && watched_.empty()) {
        changed_.Wait(mutex_);
      }
      const SteadyTime next = clock_.Now() + kLookInterval;
      while (!stopping_ && clock_.Now() < next) {
        changed_.WaitUntil(mutex_, next);
      }
      if (stopping_) {
        return;
      }
    }
    LookAtAll();
  }
}

void PromotionWatcher::LookAtAll() {
  std::set<JobNumber> jobs;
  {
    const MutexLock lock(mutex_);
    jobs = watched_;
  }
  for (const JobNumber job : jobs) {
    const absl::StatusOr<bool> goes_on = Look(job);
    if (!goes_on.ok() && !absl::IsNotFound(goes_on.status())) {
      // The store may recover.
      Log(LogLevel::kError, "a promotion could not be watched",
          {{"job", absl::StrCat(job.value)},
           {"error", std::string(goes_on.status().message())}});
    } else if (!goes_on.ok() || !*goes_on) {
      const MutexLock lock(mutex_);
      watched_.erase(job);
    }
  }
}

absl::StatusOr<bool> PromotionWatcher::Look(JobNumber number) {
  ASSIGN_OR_RETURN(const JobRow row, ledger_.catalog().GetJob(number));
  ASSIGN_OR_RETURN(const Job job, JobOfRow(row));
  if (!job.status.watch) {
    return false;
  }
  const WatchedPromotion& watch = *job.status.watch;
  if (!watch.rolled_back_for.empty()) {
    return RollBack(job, watch.rolled_back_for);
  }
  const WatchVerdict verdict =
      JudgeWatch(job.spec.promotion.watch,
                 {.answers = watch.answers_before,
                  .failures = 0,
                  .confidence_sum = watch.confidence_before *
                                    static_cast<double>(watch.answers_before)},
                 tallies_.Read(job.spec.model, watch.version));
  if (verdict.roll_back) {
    RETURN_IF_ERROR(Change(number, [&verdict](JobEdit& edit) {
      edit.status.watch->rolled_back_for = verdict.text;
    }));
    return RollBack(job, verdict.text);
  }
  if (clock_.WallNow() < watch.until) {
    return true;
  }
  RETURN_IF_ERROR(End(number, PromotionState::kPromoted,
                      {.text = absl::StrCat("the version has been watched: ",
                                            verdict.text, ", it stays")}));
  return false;
}

absl::StatusOr<bool> PromotionWatcher::RollBack(const Job& job,
                                                const std::string& why) {
  const WatchedPromotion& watch = *job.status.watch;
  Mutation mutation;
  mutation.actor = "job";
  mutation.method = "RollbackAlias";
  // After a crash it is asked for again, and is done once.
  mutation.request_id =
      absl::StrCat("resnetd-watch-", job.number.value, "-", watch.alias_etag);
  mutation.request_hash = watch.alias_etag;
  const absl::StatusOr<AliasRow> moved = models_.RollbackAlias(
      job.spec.model, watch.alias, watch.alias_etag, false, mutation);
  if (!moved.ok()) {
    // E.g. somebody has moved the alias since: that is what they want.
    RETURN_IF_ERROR(End(
        job.number, PromotionState::kPromoted,
        {.text = absl::StrCat("the version should be rolled "
                              "back (",
                              why, ") and was not: ", moved.status().message()),
         .is_warning = true}));
    return false;
  }
  Log(LogLevel::kWarning, "a promotion was rolled back",
      {{"job", absl::StrCat(job.number.value)},
       {"model", job.spec.model.text()},
       {"version", absl::StrCat(watch.version.value)},
       {"why", why}});
  RETURN_IF_ERROR(End(job.number, PromotionState::kRolledBack,
                      {.text = absl::StrCat("rolled back: ", watch.alias, " ",
                                            watch.version.value, " -> ",
                                            moved->version.value, ", as ", why),
                       .is_warning = true}));
  metrics_.PromotionEnded(PromotionResult::kRolledBack);
  return false;
}

absl::Status PromotionWatcher::End(JobNumber job, PromotionState promotion,
                                   LogLine line) {
  return Change(job, [&](JobEdit& edit) {
    edit.status.promotion = promotion;
    edit.status.watch.reset();
    edit.events = {line};
  });
}

absl::Status PromotionWatcher::Change(
    JobNumber job, const std::function<void(JobEdit&)>& change) {
  return ledger_
      .Change(job,
              [&change](const Job& before) {
                JobEdit edit{.status = before.status, .after_end = true};
                change(edit);
                return absl::StatusOr<JobEdit>(std::move(edit));
              })
      .status();
}

}  // namespace resnetd
