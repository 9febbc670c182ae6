#pragma once

#include <optional>

#include "server/base/clock.h"
#include "server/base/priority_gate.h"
#include "server/finetune/duty.h"
#include "server/finetune/job.h"

namespace resnetd {

// Paces the steps of one job so that serving stays as fast as the guard says.
// What a step took beyond its share is rested before the next one, so a step is
// never interrupted. Every now and then training rests for a moment only to see
// how fast serving is alone: at most a twentieth of the time, and only under
// load.
//
//   while (!pacer.MayStep()) { sleep until pacer.rest_until(); }
//   step();
//
// Not thread-safe: in the thread that trains.
class StepPacer {
 public:
  // `gate` and `clock` outlive the pacer. Training is at work from now until
  // the pacer is destroyed, but between a MayStep() that says no and one that
  // says yes.
  StepPacer(const ServingGuard& guard, PriorityGate& gate, const Clock& clock);
  ~StepPacer();
  StepPacer(const StepPacer&) = delete;
  StepPacer& operator=(const StepPacer&) = delete;

  // Whether the next step may begin; else ask again at rest_until(), which is
  // at most kDutyInterval away.
  bool MayStep();
  SteadyTime rest_until() const { return rest_until_; }

  // Share of the time that training may use.
  double duty() const { return duty_; }
  // The duty, once for each change that is worth an event; else nullopt.
  std::optional<double> TakeNews();

  // p99 of serving beside training over that alone; nullopt: too few answers.
  std::optional<double> slowdown() const { return slowdown_; }
  // Rested since the begin.
  Duration rested() const { return rested_; }

 private:
  // Books the time since the last call as work or as rest.
  void Book(SteadyTime now);
  // Decides again when it is time to; false: it is not.
  bool Reconsider(SteadyTime now);
  ServingFigures Look(SteadyTime now);
  // What is left to rest for the work done, at the duty of now.
  Duration Owed() const;
  bool WantsBaseline(SteadyTime now) const;
  // Ends the look at serving alone when it has seen enough.
  void EndLook(SteadyTime now);
  void SetResting(bool resting);

  const ServingGuard guard_;
  PriorityGate& gate_;
  const Clock& clock_;

  double duty_ = 1;
  double told_ = 1;
  std::optional<SteadyTime> told_at_;
  std::optional<double> slowdown_;
  Duration rested_{};
  // Work that is not rested for yet, and the rest taken for it.
  Duration work_{};
  Duration paid_{};
  bool resting_ = false;
  SteadyTime booked_at_;
  SteadyTime rest_until_;
  SteadyTime decided_at_;
  // Answers count from here on.
  SteadyTime lowered_at_;
  // A look at serving alone that has begun.
  std::optional<SteadyTime> look_began_;
  SteadyTime next_look_;
};

}  // namespace resnetd
