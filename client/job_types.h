#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/dataset_types.h"
#include "client/gradient_types.h"
#include "client/recipe_types.h"

namespace resnetd::client {

// What the calls about fine-tuning jobs take and give. Plain values; what they
// mean is in proto/resnetd/v1/fine_tune_job.proto.

enum class JobState {
  kUnknown,
  kCreated,
  kQueued,
  kValidating,
  kPreparing,
  kRunning,
  kPausing,
  kPaused,
  kEvaluating,
  kRecovering,
  kCancelling,
  kSucceeded,
  kFailed,
  kCancelled,
};

// Every state but kUnknown, in their order.
const std::vector<JobState>& AllJobStates();
// E.g. "RUNNING".
absl::string_view JobStateName(JobState state);
// SUCCEEDED, FAILED or CANCELLED: nothing follows.
bool IsDone(JobState state);

enum class HeadPolicy { kUnknown, kAuto, kReplace, kGrow, kKeep, kRemap };
// E.g. "GROW".
absl::string_view HeadPolicyName(HeadPolicy head);

enum class PromotionKind { kUnknown, kNone, kCandidate, kAlias };
// E.g. "CANDIDATE".
absl::string_view PromotionKindName(PromotionKind kind);

enum class PromotionState {
  kUnknown,
  kNotRequested,
  kPending,
  kGateNotPassed,
  kPromoted,
  kRolledBack,
};
// E.g. "GATE_NOT_PASSED".
absl::string_view PromotionStateName(PromotionState state);

struct ReplaySpec {
  // Absent: the server's 20.
  std::optional<int> exemplars_per_class;
  // "NAME" or "datasets/NAME"; empty: what was kept with the base.
  std::string dataset;
  bool allow_forgetting = false;
};

// What is absent is the server's default.
struct GateRules {
  std::optional<std::int64_t> min_examples;
  std::optional<double> min_accuracy;
  std::optional<double> margin;
  std::optional<double> alpha;
  bool require_better = false;
  std::optional<double> max_recall_drop;
  std::optional<std::int64_t> min_class_examples;
  std::optional<double> max_forgetting;
  std::optional<double> max_calibration_error;
  std::optional<double> max_latency_ratio;
  std::optional<double> max_size_ratio;
  bool allow_label_change = false;
};

// How a version is watched after its promotion. What is absent is the server's
// default.
struct WatchRules {
  // 0: not at all.
  std::optional<std::chrono::seconds> duration;
  std::optional<std::int64_t> min_answers;
  std::optional<double> max_failure_rate;
  std::optional<double> max_confidence_drop;
};

// How far a job may slow serving down.
struct ServingGuard {
  // Of the answers' 99th percentile; absent: 1.25 times what it is without
  // training.
  std::optional<std::chrono::milliseconds> max_p99;
  // Calls that may wait or be computed; absent: any number.
  std::optional<int> max_queue;
};

struct JobSpec {
  // "NAME" or "models/NAME".
  std::string model;
  // 0: the one that answers, or none with `architecture`.
  std::int64_t base_version = 0;
  // From scratch; empty: a version is fine-tuned.
  std::string architecture;
  int input_size = 0;
  // "NAME" or "datasets/NAME".
  std::string dataset;
  // Absent: the server's default.
  std::optional<SplitSpec> split;
  HeadPolicy head = HeadPolicy::kAuto;
  ReplaySpec replay;
  RecipeOptions recipe;
  GateRules gate;
  PromotionKind promotion = PromotionKind::kNone;
  // With PromotionKind::kAlias; empty: "stable".
  std::string alias;
  WatchRules watch;
  ServingGuard guard;
  ObservationSpec observation;
  // Those that are not named have the server's default.
  std::vector<AlarmSetting> alarms;
  // 0: no limit.
  std::chrono::seconds max_duration{0};
  std::string display_name;
};

struct CreateJobRequest {
  JobSpec spec;
  // Waits for StartJob.
  bool manual = false;
  // See model_requests.h.
  std::string request_id;
  // True: everything is checked, the recipe is chosen, nothing is kept.
  bool validate_only = false;
};

// Of the calls that change a job.
struct JobRequest {
  // "N" or "jobs/N".
  std::string name;
  // Job::etag; empty: whatever it is.
  std::string etag;
  std::string request_id;
};

struct StepMetrics {
  std::int64_t step = 0;
  // That it is the mean of.
  int steps = 1;
  double loss = 0;
  double accuracy = 0;
  double gradient_norm = 0;
  double learning_rate = 0;
  double examples_per_second = 0;
};

struct EvaluationMetrics {
  std::int64_t step = 0;
  std::int64_t examples = 0;
  double loss = 0;
  double accuracy = 0;
  std::optional<double> old_class_accuracy;
  std::optional<double> new_class_accuracy;
  double calibration_error = 0;
  bool is_best = false;
};

struct GateCriterion {
  std::string name;
  // Absent: not measured.
  std::optional<double> value;
  double bound = 0;
  bool passed = false;
  std::string text;
};

struct GateVerdict {
  bool passed = false;
  bool is_better = false;
  std::vector<GateCriterion> criteria;
};

struct JobError {
  std::string reason;
  std::string message;
};

struct JobStatus {
  JobState state = JobState::kUnknown;
  std::int64_t step = 0;
  std::int64_t total_steps = 0;
  int attempt = 0;
  int setbacks = 0;
  std::optional<std::chrono::system_clock::time_point> start_time;
  std::optional<std::chrono::system_clock::time_point> end_time;
  std::optional<JobError> error;
  std::optional<Recipe> recipe;
  std::string config_hash;
  std::string dataset_digest;
  std::string base_weights_sha256;
  std::optional<StepMetrics> last_step;
  std::optional<EvaluationMetrics> last_evaluation;
  std::optional<EvaluationMetrics> best_evaluation;
  // 0: none.
  std::int64_t result_version = 0;
  std::optional<GateVerdict> gate;
  PromotionState promotion = PromotionState::kUnknown;
  std::string environment;
  int queue_position = 0;
  std::string waiting_for;
  // Share of the time that training may use.
  double duty = 1;
  // Of the promoted version; absent: it is not watched.
  std::optional<std::chrono::system_clock::time_point> watched_until;
  // Raised and not cleared.
  std::vector<ActiveAlarm> alarms;
};

struct Job {
  // "jobs/N"; empty: it was only checked.
  std::string name;
  JobSpec spec;
  JobStatus status;
  std::string etag;
  std::chrono::system_clock::time_point create_time;
  std::chrono::system_clock::time_point update_time;
};

struct CreatedJob {
  Job job;
  // False: the same request was carried out before.
  bool created = false;
};

struct StateChanged {
  JobState from = JobState::kUnknown;
  JobState to = JobState::kUnknown;
  std::string message;
};
struct CheckpointSaved {
  std::int64_t step = 0;
  std::int64_t size_bytes = 0;
  bool is_best = false;
};
struct Recovered {
  std::int64_t from_step = 0;
  std::int64_t to_step = 0;
  double rate_factor = 1;
  std::string message;
};
struct Throttled {
  double duty = 1;
};
struct Promoted {
  std::string alias;
  std::int64_t version = 0;
  // 0: none.
  std::int64_t previous_version = 0;
};
struct LogLine {
  std::string text;
  bool is_warning = false;
};

// In the order of JobEventKind; empty: a kind that this client does not know.
using JobEventBody =
    std::variant<std::monostate, StateChanged, StepMetrics, EvaluationMetrics,
                 CheckpointSaved, Recovered, Throttled, GateVerdict, Promoted,
                 LogLine, BlockGradients, AlarmRaised, AlarmCleared>;

enum class JobEventKind {
  kUnknown,
  kStateChanged,
  kStepMetrics,
  kEvaluation,
  kCheckpointSaved,
  kRecovered,
  kThrottled,
  kGateVerdict,
  kPromoted,
  kLogLine,
  kBlockGradients,
  kAlarmRaised,
  kAlarmCleared,
};

// E.g. "STATE_CHANGED".
absl::string_view JobEventKindName(JobEventKind kind);

struct JobEvent {
  std::int64_t sequence = 0;
  std::chrono::system_clock::time_point time;
  JobEventBody body;

  JobEventKind kind() const { return static_cast<JobEventKind>(body.index()); }
};

struct Checkpoint {
  // "jobs/N/checkpoints/STEP".
  std::string name;
  std::int64_t step = 0;
  std::int64_t size_bytes = 0;
  std::chrono::system_clock::time_point create_time;
  bool is_best = false;
  std::optional<EvaluationMetrics> evaluation;
};

// What a job would cost.
struct JobEstimate {
  std::int64_t steps = 0;
  std::int64_t peak_bytes = 0;
  // 0: not known.
  std::int64_t free_bytes = 0;
  std::chrono::nanoseconds duration_low{0};
  std::chrono::nanoseconds duration_high{0};
  int measured_steps = 0;
  Recipe recipe;
};

// Of the calls that change a checkpoint.
struct CheckpointRequest {
  // "N" or "jobs/N".
  std::string job;
  std::int64_t step = 0;
  // See model_requests.h.
  std::string request_id;
};

struct WatchJobRequest {
  // "N" or "jobs/N".
  std::string job;
  // The last event seen; 0: from the first one on.
  std::int64_t after_sequence = 0;
  // Empty: of all kinds.
  std::vector<JobEventKind> kinds;
};

// What WatchJob tells, from the thread that called it.
struct JobWatchHandler {
  // The next event. False: enough, the watch ends.
  std::function<bool(const JobEvent& event)> on_event;
  // May be empty. The watch goes on behind this event: at its beginning and
  // again whenever the connection is back.
  std::function<void(std::int64_t after_sequence)> on_connected = {};
  // May be empty. The connection broke and is not back at once; it is tried
  // again. Once each time.
  std::function<void(const absl::Status& why)> on_broken = {};
};

}  // namespace resnetd::client
