// What a JobRun keeps of its gradients, and where alarms take it.
#include <string>
#include <vector>

#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/finetune/gradient_text.h"
#include "server/finetune/job_run.h"

namespace resnetd {

absl::Status JobRun::KeepSamples(const std::vector<GradientSample>& samples,
                                 bool event) {
  RETURN_IF_ERROR(Change([&](JobEdit& edit) {
    for (const GradientSample& sample : samples) {
      edit.samples.push_back(
          {.step = sample.step, .payload = FormatSample(sample)});
    }
    if (event && !samples.empty()) {
      edit.events.emplace_back(BlockGradients{.sample = samples.back()});
    }
  }));
  for (const GradientSample& sample : samples) {
    around_.ledger.metrics().GradientSampled(number_, sample,
                                             job_->status.block_names);
  }
  return absl::OkStatus();
}

void JobRun::NoteStep(const StepNote& note) {
  TrainingMetrics& metrics = around_.ledger.metrics().training();
  metrics.StepTimed(StepPhase::kData, note.data);
  if (note.phases) {
    metrics.StepTimed(StepPhase::kForward, note.phases->forward);
    metrics.StepTimed(StepPhase::kBackward, note.phases->backward);
    metrics.StepTimed(StepPhase::kOptimizer, note.phases->optimizer);
    // Of steps that are not observed, too: means of all phases are of the same
    // steps, then, and add up.
    metrics.StepTimed(StepPhase::kProbe, note.phases->probe);
  } else {
    metrics.StepTimed(StepPhase::kCompute, note.compute);
  }
  if (!note.is_finite) {
    metrics.StepNotFinite();
  }
  if (note.is_clipped) {
    metrics.StepClipped();
  }
}

absl::Status JobRun::PauseFor(const std::string& reason) {
  if (reason.empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Change([&reason](JobEdit& edit) {
    // Unless a call has put it on its way to a pause or an end.
    if (edit.status.state == JobState::kRunning) {
      edit.status.state = JobState::kPausing;
      edit.text = reason;
    }
  }));
  Log(LogLevel::kWarning, "an alarm paused a job",
      {{"job", std::to_string(number_.value)}, {"why", reason}});
  return absl::OkStatus();
}

}  // namespace resnetd
