#include "server/rpc/job_watches.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "resnetd/v1/fine_tune_service.pb.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert_job.h"
#include "server/rpc/job_reads.h"

namespace resnetd {
namespace {

// `first` and `second` together, which follows it.
StepMetrics Joined(const StepMetrics& first, const StepMetrics& second) {
  const double a = std::max(first.steps, 1);
  const double b = std::max(second.steps, 1);
  const auto mean = [a, b](double x, double y) {
    return (a * x + b * y) / (a + b);
  };
  return {.step = second.step,
          .steps = first.steps + second.steps,
          .loss = mean(first.loss, second.loss),
          .accuracy = mean(first.accuracy, second.accuracy),
          .gradient_norm = mean(first.gradient_norm, second.gradient_norm),
          .learning_rate = second.learning_rate,
          .examples_per_second =
              mean(first.examples_per_second, second.examples_per_second)};
}

}  // namespace

std::deque<JobEvent> CoalesceSteps(std::deque<JobEvent> events) {
  std::deque<JobEvent> out;
  for (JobEvent& event : events) {
    const auto* next = std::get_if<StepMetrics>(&event.body);
    const auto* last =
        out.empty() ? nullptr : std::get_if<StepMetrics>(&out.back().body);
    if (next != nullptr && last != nullptr) {
      event.body = Joined(*last, *next);
      out.pop_back();
    }
    out.push_back(std::move(event));
  }
  return out;
}

class JobWatches::Watch final : public EventWatches::Watch {
 public:
  Watch(JobWatches& watches, grpc::CallbackServerContext& context)
      : EventWatches::Watch(watches.watches_, watches.environment_,
                            "WatchFineTuneJob", context),
        manager_(watches.manager_),
        began_(watches.environment_.clock.WallNow()) {}
  ~Watch() override = default;

 private:
  absl::Status Begin(const grpc::ByteBuffer& request) override {
    v1::WatchFineTuneJobRequest message;
    RETURN_IF_ERROR(Accept(request, 0, Availability::kAlways, message));
    if (manager_ == nullptr) {
      return NoTraining();
    }
    ASSIGN_OR_RETURN(
        wanted_, ToJobEvents("name", message.name(), message.after_sequence(),
                             message.kinds()));
    return absl::OkStatus();
  }

  bool SendOne() override {
    if (events_.empty()) {
      return false;
    }
    v1::WatchFineTuneJobResponse message;
    *message.mutable_event() = ToProto(events_.front());
    events_.pop_front();
    Send(message);
    return true;
  }

  absl::StatusOr<Reading> Read() override {
    ASSIGN_OR_RETURN(std::vector<JobEvent> events, NextEvents());
    if (events.empty()) {
      ASSIGN_OR_RETURN(const Job job, manager_->GetJob(wanted_.job));
      if (!IsDone(job.status.state)) {
        return Reading::kNothingYet;
      }
      // Those that came between the two reads: a job that is done makes no
      // more.
      ASSIGN_OR_RETURN(events, NextEvents());
      if (events.empty()) {
        return Reading::kFinished;
      }
    }
    Take(std::move(events));
    return Reading::kSome;
  }

  absl::StatusOr<std::vector<JobEvent>> NextEvents() {
    return manager_->Events(wanted_.job, wanted_.after, kEventsAtOnce);
  }

  void Take(std::vector<JobEvent> events) {
    wanted_.after = events.back().sequence;
    // What happened before the watch began comes whole: somebody may draw it.
    const bool is_behind =
        events.size() == kEventsAtOnce && events.front().time > began_;
    for (JobEvent& event : events) {
      if (wanted_.Has(event)) {
        events_.push_back(std::move(event));
      }
    }
    if (is_behind) {
      events_ = CoalesceSteps(std::move(events_));
    }
  }

  JobManager* const manager_;
  const WallTime began_;
  JobEvents wanted_;
  std::deque<JobEvent> events_;
};

JobWatches::JobWatches(CallEnvironment& environment, JobManager* manager,
                       CallLane& lane)
    : environment_(environment), manager_(manager), watches_(lane) {
  if (manager_ != nullptr) {
    subscription_ = manager_->Subscribe([this] { watches_.WakeSoon(); });
  }
}

JobWatches::~JobWatches() = default;

grpc::ServerWriteReactor<grpc::ByteBuffer>* JobWatches::Open(
    grpc::CallbackServerContext& context, const grpc::ByteBuffer& request) {
  return watches_.Open(std::make_shared<Watch>(*this, context), request);
}

}  // namespace resnetd
