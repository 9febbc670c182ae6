#include "server/finetune/job_pace.h"

#include <optional>
#include <utility>

#include "server/base/status_macros.h"

namespace resnetd {

JobPace::JobPace(const ServingGuard& guard, PriorityGate& gate,
                 TrainingMetrics& metrics, const Clock& clock, Rest rest,
                 Tell tell)
    : pacer_(guard, gate, clock),
      metrics_(metrics),
      rest_(std::move(rest)),
      tell_(std::move(tell)) {}

absl::Status JobPace::AwaitTurn() {
  while (!pacer_.MayStep()) {
    RETURN_IF_ERROR(Report());
    if (!rest_(pacer_.rest_until())) {
      return absl::OkStatus();
    }
  }
  return Report();
}

absl::Status JobPace::Report() {
  const Duration rested = pacer_.rested();
  metrics_.Paced(pacer_.duty(), rested - std::exchange(rested_, rested),
                 pacer_.slowdown());
  const std::optional<double> duty = pacer_.TakeNews();
  return duty ? tell_(Throttled{.duty = *duty}) : absl::OkStatus();
}

}  // namespace resnetd
