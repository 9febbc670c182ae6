#include "server/app/follower.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(100);
constexpr Duration kLastPause = std::chrono::seconds(5);

}  // namespace

Follower::Follower(Registry& registry, Replica& replica, ModelRegistry& models,
                   std::function<void()> on_ready)
    : registry_(registry),
      replica_(replica),
      models_(models),
      on_ready_(std::move(on_ready)),
      thread_("follow", [this] { Run(); }) {}

Follower::~Follower() {
  {
    MutexLock lock(mutex_);
    is_over_ = true;
  }
  ended_.NotifyAll();
  registry_.Stop();
  thread_.Join();
}

void Follower::Run() {
  Duration pause = kFirstPause;
  while (!is_over()) {
    const absl::StatusOr<std::int64_t> synced = Sync();
    if (synced.ok()) {
      pause = kFirstPause;
      if (registry_.AwaitChange(*synced).ok()) {
        continue;
      }
      // Connections end by their age too: the next list tells what is wrong.
    } else if (!is_over()) {
      Report(synced.status());
    }
    if (!Pause(pause)) {
      return;
    }
    pause = std::min(2 * pause, kLastPause);
  }
}

absl::StatusOr<std::int64_t> Follower::Sync() {
  ASSIGN_OR_RETURN(const RegistryState state, registry_.List());
  RETURN_IF_ERROR(replica_.Follow(state));
  for (const RegistryModel& model : state.models) {
    if (model.is_default) {
      models_.SetDefault(model.name);
    }
  }
  if (std::exchange(has_failed_, false)) {
    Log(LogLevel::kInfo, "follows the registry again");
  }
  if (on_ready_) {
    Log(LogLevel::kInfo, "follows the registry",
        {{"models", absl::StrCat(state.models.size())}});
    std::exchange(on_ready_, nullptr)();
  }
  return state.sequence;
}

void Follower::Report(const absl::Status& error) {
  // Once: it is tried again and again.
  if (!std::exchange(has_failed_, true)) {
    Log(LogLevel::kWarning,
        "the registry cannot be followed: what is loaded goes on serving",
        {{"error", std::string(error.message())}});
  }
}

bool Follower::Pause(Duration pause) {
  const SteadyTime end = std::chrono::steady_clock::now() + pause;
  MutexLock lock(mutex_);
  while (!is_over_ && std::chrono::steady_clock::now() < end) {
    ended_.WaitUntil(mutex_, end);
  }
  return !is_over_;
}

bool Follower::is_over() {
  MutexLock lock(mutex_);
  return is_over_;
}

}  // namespace resnetd
