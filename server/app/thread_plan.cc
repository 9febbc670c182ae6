#include "server/app/thread_plan.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "server/app/cpu.h"
#include "server/base/thread_affinity.h"

namespace resnetd {
namespace {

// Of a batch on a server that only answers: two make a single call 1.9 times
// as fast, and what more of them gain they do not gain in throughput.
constexpr int kTeam = 2;

bool Trains(const Config& config) { return !IsReplica(config); }

bool RunsOnCpuEngine(const Config& config) { return config.backend != "torch"; }

int Chosen(int wish, int otherwise) { return wish > 0 ? wish : otherwise; }

int TrainThreads(const Config& config, int usable) {
  // The threads of a step wait for each other many times. At a priority that
  // gets what is left over, one that has to wait holds up all: beside serving a
  // step takes no more of them than serving leaves cores.
  return Chosen(config.train_threads,
                Classifies(config) ? std::max(1, usable / 2) : usable);
}

std::vector<std::vector<int>> ShareOut(const ThreadPlan& plan,
                                       absl::Span<const int> allowed) {
  std::vector<std::vector<int>> shares;
  const auto threads = static_cast<std::size_t>(plan.threads);
  for (std::size_t i = 0; i < static_cast<std::size_t>(plan.workers); ++i) {
    const absl::Span<const int> share = allowed.subspan(i * threads, threads);
    shares.emplace_back(share.begin(), share.end());
  }
  return shares;
}

}  // namespace

ThreadPlan PlanThreads(const Config& config, int usable,
                       absl::Span<const int> allowed) {
  ThreadPlan plan;
  plan.decode_threads = Chosen(config.decode_threads, std::max(1, usable - 1));
  plan.train_threads = TrainThreads(config, usable);
  if (ServesOnGpu(config)) {
    // One batch is copied while another is computed; more would only wait.
    plan.workers =
        Chosen(config.workers, 2 * static_cast<int>(DevicesOf(config).size()));
    plan.threads = Chosen(config.threads, 1);
    return plan;
  }
  if (!RunsOnCpuEngine(config)) {
    plan.workers = Chosen(config.workers, 1);
    plan.threads = Chosen(config.threads, usable);
    return plan;
  }
  const int team = Trains(config) || usable % kTeam != 0 ? 1 : kTeam;
  plan.threads =
      Chosen(config.threads,
             config.workers > 0 ? std::max(1, usable / config.workers) : team);
  plan.workers = Chosen(config.workers, std::max(1, usable / plan.threads));
  const auto planned = static_cast<std::size_t>(plan.workers) *
                       static_cast<std::size_t>(plan.threads);
  if (planned == allowed.size() &&
      planned == static_cast<std::size_t>(usable)) {
    plan.cores = ShareOut(plan, allowed);
  }
  return plan;
}

ThreadPlan PlanThreads(const Config& config) {
  return PlanThreads(config, UsableCores(), AllowedCores());
}

std::string Describe(const ThreadPlan& plan) {
  return absl::StrCat(plan.workers,
                      plan.workers == 1 ? " worker of " : " workers of ",
                      plan.threads, plan.threads == 1 ? " thread" : " threads",
                      plan.cores.empty() ? "" : ", each on cores of its own");
}

}  // namespace resnetd
