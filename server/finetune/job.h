#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/finetune/alarm.h"
#include "server/finetune/dataset_split.h"
#include "server/finetune/gate.h"
#include "server/finetune/gradient_sample.h"
#include "server/finetune/head.h"
#include "server/finetune/job_state.h"
#include "server/finetune/recipe.h"
#include "server/store/store_types.h"

namespace resnetd {

// Where the pictures of classes come from that the dataset does not show.
struct ReplaySpec {
  // Pictures kept of each old class; 0: none.
  int exemplars_per_class = 20;
  // A sealed dataset with them. Absent: the exemplars that were kept with the
  // base version, when it was trained here.
  std::optional<DatasetName> dataset;
  // Without exemplars a job that would forget classes is refused unless this
  // is set.
  bool allow_forgetting = false;
};

enum class PromotionKind {
  // The version is made and nobody is told.
  kNone = 0,
  // When the gate lets it pass, the alias "candidate" moves to it.
  kCandidate = 1,
  // When the gate lets it pass, `alias` moves to it.
  kAlias = 2,
};

// How a version is watched after an alias moved to it; see JudgeWatch().
struct WatchRules {
  // 0: not at all.
  std::chrono::seconds duration = std::chrono::minutes(10);
  // Fewer say nothing of the confidence.
  std::int64_t min_answers = 100;
  // Of the batches that may fail, from 0 to 1.
  double max_failure_rate = 0.01;
  // Of the mean confidence before that may be lost, from 0 to 1.
  double max_confidence_drop = 0.3;
};

struct PromotionSpec {
  PromotionKind kind = PromotionKind::kNone;
  std::string alias = "stable";
  // With kAlias, when the alias named a version before.
  WatchRules watch;
};

// How far a job may slow serving down.
struct ServingGuard {
  // The slowest hundredth of the answers may take longer than this;
  // absent: 1.25 times what it takes without training.
  std::optional<std::chrono::milliseconds> max_p99 = std::nullopt;
  // Calls that may wait or run while training goes on at its pace; 0: any
  // number.
  int max_queue = 0;
};

// What a job is asked to do. Never changes.
struct JobSpec {
  // Of the versions that the job reads and makes.
  ModelName model;
  // What is fine-tuned. When the job is taken in, the version that "stable"
  // names then is written here. Absent for training from scratch.
  std::optional<VersionNumber> base;
  // Trains random weights of this architecture instead of a base; its name, or
  // empty.
  std::string architecture;
  // Side of the network's input when trained from scratch, pixels.
  int input_size = 0;
  DatasetName dataset;
  SplitSpec split;
  HeadPolicy head = HeadPolicy::kAuto;
  ReplaySpec replay;
  RecipeRequest recipe;
  GateRules gate;
  PromotionSpec promotion;
  ServingGuard guard;
  ObservationSpec observation;
  // What is done about alarms; those that are not named have their default.
  std::vector<AlarmSetting> alarms;
  // Of running; 0: no limit.
  std::chrono::seconds max_duration{0};
  // For people; at most 128 bytes of UTF-8.
  std::string display_name;
};

enum class PromotionState {
  kNotRequested = 0,
  kPending = 1,
  kGateNotPassed = 2,
  kPromoted = 3,
  kRolledBack = 4,
};

// Why a job failed: a reason of error.h and a sentence.
struct JobError {
  std::string reason;
  std::string text;
};

struct EvaluationMetrics {
  std::int64_t step = 0;
  std::int64_t examples = 0;
  double loss = 0;
  double accuracy = 0;  // 0 to 1
  // Of the classes that the base knew, when there are new ones.
  std::optional<double> old_class_accuracy;
  std::optional<double> new_class_accuracy;
  // After fitting the temperature: see evaluation.h.
  double calibration_error = 0;
  // The best so far.
  bool is_best = false;
};

struct StepMetrics {
  // The last step it is about, and how many it is the mean of.
  std::int64_t step = 0;
  int steps = 1;
  double loss = 0;
  double accuracy = 0;  // of the batches
  double gradient_norm = 0;
  // Of the head, the largest rate.
  double learning_rate = 0;
  double examples_per_second = 0;
};

// A version that is watched since the job promoted it.
struct WatchedPromotion {
  std::string alias;
  VersionNumber version;
  // Of the alias as the promotion left it.
  std::string alias_etag;
  WallTime until;
  // How the version answered that it took over from: batches, and the mean
  // probability of the best class.
  std::int64_t answers_before = 0;
  double confidence_before = 0;
  // Why it is being rolled back; empty: it is not.
  std::string rolled_back_for;
};

// What is known of a job. Changes as it runs.
struct JobStatus {
  JobState state = JobState::kQueued;
  // Steps done and to do; 0 before the recipe is resolved.
  std::int64_t step = 0;
  std::int64_t total_steps = 0;
  // Starts of the run: 1, and one more for each recovery by a restart.
  int attempt = 0;
  // Recoveries from a loss that was not finite or ran away.
  int setbacks = 0;
  std::optional<WallTime> started;
  std::optional<WallTime> ended;
  std::optional<JobError> error;
  // AUTO made explicit; absent before PREPARING.
  std::optional<Recipe> recipe;
  std::string config_hash;
  Digest dataset_digest;
  Digest base_weights;
  std::optional<StepMetrics> last_step;
  std::optional<EvaluationMetrics> last_evaluation;
  std::optional<EvaluationMetrics> best_evaluation;
  std::optional<VersionNumber> result;
  std::optional<GateVerdict> gate;
  PromotionState promotion = PromotionState::kNotRequested;
  // Absent: no promotion is watched.
  std::optional<WatchedPromotion> watch;
  // Share of the time that training may use, as it was told last; 1 when it
  // does not run.
  double duty = 1;
  // E.g. "LibTorch 2.11.0 on cpu, 2 threads".
  std::string environment;
  // Raised and not cleared, in the order in which they were raised.
  std::vector<ActiveAlarm> alarms;
  // Of the network's residual blocks in order of depth, as BlockNames(); empty
  // before PREPARING.
  std::vector<std::string> block_names;
  // Time that steps were done in, of all runs: what max_duration limits.
  std::chrono::milliseconds ran{0};
  // Grows by one when the state, the result, the promotion or the error
  // changes: with what somebody who changes the job decides by, not with its
  // progress.
  std::int64_t revision = 1;
  // The recipe's precision was measured: it stays whatever a later start of the
  // server would measure.
  bool precision_is_settled = false;
  // Place in the queue from 1 on; 0: not queued. Not stored.
  int queue_position = 0;
  // Why it waits, e.g. "SLOT"; empty: it does not. Not stored.
  std::string waiting_for;
};

struct Job {
  JobNumber number;
  JobSpec spec;
  JobStatus status;
  // "r" and the revision.
  std::string etag;
  WallTime created;
  WallTime updated;
};

// What happened, in the order in which it did.
struct StateChanged {
  JobState from = JobState::kCreated;
  JobState to = JobState::kCreated;
  // Why, when it is not plain: an error, or who asked.
  std::string text;
};
struct CheckpointSaved {
  std::int64_t step = 0;
  std::int64_t bytes = 0;
  bool is_best = false;
};
// The job went back to a checkpoint.
struct Recovered {
  std::int64_t from_step = 0;
  std::int64_t to_step = 0;
  // Of the learning rates from now on.
  double rate_factor = 1;
  std::string text;
};
struct Throttled {
  // Share of the time that training may use.
  double duty = 1;
};
struct Promoted {
  std::string alias;
  VersionNumber version;
  std::optional<VersionNumber> previous;
};
struct LogLine {
  std::string text;
  bool is_warning = false;
};
// A sample of the gradients: the newest one, now and then. All of them are in
// the job's report.
struct BlockGradients {
  GradientSample sample;
};

using JobEventBody =
    std::variant<StateChanged, StepMetrics, EvaluationMetrics, CheckpointSaved,
                 Recovered, Throttled, GateVerdict, Promoted, LogLine,
                 BlockGradients, AlarmRaised, AlarmCleared>;

struct JobEvent {
  // From 1 on, without gaps.
  std::int64_t sequence = 0;
  WallTime time;
  JobEventBody body;
};

// What a job would cost, measured by a few steps.
struct JobEstimate {
  Recipe recipe;
  // When nothing stops it early.
  std::int64_t steps = 0;
  // At most, about; and what training may have now, 0: not known.
  std::int64_t peak_bytes = 0;
  std::int64_t free_bytes = 0;
  // Of running, when every step were as fast as the fastest measured, or as
  // slow as the slowest.
  Duration low{};
  Duration high{};
  int measured_steps = 0;
};

struct Checkpoint {
  std::int64_t step = 0;
  std::int64_t bytes = 0;
  WallTime created;
  bool is_best = false;
  std::optional<EvaluationMetrics> evaluation;
};

}  // namespace resnetd
