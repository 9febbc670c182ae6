#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/finetune/gradient_monitor.h"
#include "server/finetune/job.h"
#include "server/store/job_catalog.h"

namespace resnetd {

// The texts of the tables of jobs. What is written is read back equal; what
// this program did not write is DATA_LOSS (STORE_CORRUPT).

std::string FormatSpec(const JobSpec& spec);
absl::StatusOr<JobSpec> ParseSpec(absl::string_view text);

// Without queue_position and waiting_for.
std::string FormatStatus(const JobStatus& status);
absl::StatusOr<JobStatus> ParseStatus(absl::string_view text);

// Without sequence and time.
JobEventRow FormatEvent(const JobEventBody& body);
absl::StatusOr<JobEvent> ParseEvent(const JobEventRow& row);

// CheckpointRow::manifest: what a checkpoint is made of.
struct CheckpointManifest {
  Digest weights;
  Digest optimizer;
  // Empty: there are no running means.
  Digest means;
  std::int64_t optimizer_steps = 0;
  // Evaluations in a row that were not better.
  int stale_evaluations = 0;
  bool is_best = false;
  std::optional<EvaluationMetrics> evaluation;
  // The best until here.
  std::optional<EvaluationMetrics> best;
  MonitorState monitor;
};
std::string FormatCheckpoint(const CheckpointManifest& manifest);
absl::StatusOr<CheckpointManifest> ParseCheckpoint(absl::string_view text);

// What a row is.
absl::StatusOr<Job> JobOfRow(const JobRow& row);
absl::StatusOr<Checkpoint> CheckpointOfRow(const CheckpointRow& row);

}  // namespace resnetd
