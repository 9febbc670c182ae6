#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/ids.h"
#include "server/finetune/gradient_sample.h"
#include "server/finetune/job.h"
#include "server/store/job_catalog.h"

namespace resnetd {

// What somebody asks for of the gradients of a job.
struct GradientQuery {
  JobNumber job;
  // Steps from and to, both included, from 1 on; 0: from the oldest one that is
  // kept, to the newest one.
  std::int64_t first_step = 0;
  std::int64_t last_step = 0;
  // As BlockLabels(), or without the zeros of their numbers; empty: all.
  std::vector<std::string> blocks;
  // Of samples; evenly taken out where there are more, with the first and the
  // last one; 0: kDefaultReportSamples.
  int max_samples = 0;
};

inline constexpr int kDefaultReportSamples = 256;
inline constexpr int kMaxReportSamples = 4096;
// Samples times blocks: about 3 MB as a message. Where there are more, there
// are fewer samples.
inline constexpr std::size_t kMaxReportBlocks = 16'384;

struct GradientReport {
  // Those asked for, in order of depth.
  std::vector<std::string> blocks;
  // In order of step, with these blocks.
  std::vector<GradientSample> samples;
  // In the range, before some were taken out.
  std::int64_t samples_in_range = 0;
  // The oldest step that is kept, and whether older ones were.
  std::int64_t oldest_step = 0;
  bool has_expired = false;
  // Means over all samples in the range that have them, of the whole and of
  // each block: the noise scale is the quotient of means, never a mean of
  // quotients.
  std::optional<GradientNoise> noise;
  std::vector<std::optional<GradientNoise>> block_noise;
  std::vector<ActiveAlarm> alarms;
};

// `samples`: of the steps of the query. FAILED_PRECONDITION (JOB_STATE): the
// job has no samples; INVALID_ARGUMENT (REQUEST_INVALID): "blocks[i]" is no
// block of it; OUT_OF_RANGE (EVENTS_EXPIRED): samples from first_step on are no
// longer kept, metadata "oldest".
absl::StatusOr<GradientReport> MakeGradientReport(const Job& job,
                                                  const JobSamples& samples,
                                                  const GradientQuery& query);

}  // namespace resnetd
