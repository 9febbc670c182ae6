#include "server/app/periodic_task.h"

#include <utility>

namespace resnetd {

PeriodicTask::PeriodicTask(std::string name, Duration interval,
                           std::function<void()> task)
    : interval_(interval),
      task_(std::move(task)),
      thread_(std::move(name), [this] { Run(); }) {}

PeriodicTask::~PeriodicTask() {
  const MutexLock lock(mutex_);
  is_over_ = true;
  ended_.NotifyAll();
}

void PeriodicTask::RunSoon() {
  const MutexLock lock(mutex_);
  is_asked_ = true;
  ended_.NotifyAll();
}

void PeriodicTask::Run() {
  do {
    task_();
  } while (WaitForNext());
}

bool PeriodicTask::WaitForNext() {
  const SteadyTime next = RealClock().Now() + interval_;
  const MutexLock lock(mutex_);
  while (!is_over_ && !is_asked_ && RealClock().Now() < next) {
    ended_.WaitUntil(mutex_, next);
  }
  is_asked_ = false;
  return !is_over_;
}

}  // namespace resnetd
