#include "server/finetune/job_notes.h"

#include <algorithm>
#include <cstddef>
#include <map>

namespace resnetd {
namespace {

struct Noter {
  JobStatus& status;

  void operator()(const StepMetrics& step) const {
    status.step = step.step;
    status.last_step = step;
  }
  void operator()(const EvaluationMetrics& metrics) const {
    status.last_evaluation = metrics;
    if (metrics.is_best) {
      status.best_evaluation = metrics;
    }
  }
  void operator()(const Recovered& back) const {
    status.step = back.to_step;
    ++status.setbacks;
  }
  void operator()(const Throttled& throttled) const {
    status.duty = throttled.duty;
  }
  void operator()(const AlarmRaised& raised) const {
    Remove(raised.kind);
    status.alarms.push_back(
        {.kind = raised.kind, .step = raised.step, .text = raised.text});
  }
  void operator()(const AlarmCleared& cleared) const { Remove(cleared.kind); }
  template <typename Other>
  void operator()(const Other& /*event*/) const {}

  void Remove(AlarmKind kind) const {
    std::erase_if(status.alarms, [kind](const ActiveAlarm& alarm) {
      return alarm.kind == kind;
    });
  }
};

}  // namespace

void NoteEvent(const JobEventBody& event, JobStatus& status) {
  std::visit(Noter{status}, event);
}

double MajorityShare(const std::vector<int>& labels) {
  std::map<int, std::size_t> counts;
  std::size_t most = 0;
  for (const int label : labels) {
    most = std::max(most, ++counts[label]);
  }
  return labels.empty()
             ? 0
             : static_cast<double>(most) / static_cast<double>(labels.size());
}

}  // namespace resnetd
