#include "server/engine/openmp.h"

#include <dlfcn.h>

#include <atomic>
#include <cstddef>

#include "absl/functional/function_ref.h"
#include "server/base/thread_affinity.h"

namespace resnetd {
namespace {

using GetMaxThreads = int (*)();
using SetNumThreads = void (*)(int);
using GetThreadNumber = int (*)();
using GetTeamSize = int (*)();
// What a compiler makes of `#pragma omp parallel num_threads(n)`.
using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);

// More of a team cannot be told apart: see PlaceTeam().
constexpr std::size_t kMostPlacedThreads = 2;

struct Runtime {
  GetMaxThreads get = nullptr;
  SetNumThreads set = nullptr;
  GetThreadNumber number = nullptr;
  GetTeamSize team_size = nullptr;
  Parallel parallel = nullptr;
};

template <typename Function>
Function Find(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

const Runtime& FindRuntime() {
  static const Runtime runtime = {
      .get = Find<GetMaxThreads>("omp_get_max_threads"),
      .set = Find<SetNumThreads>("omp_set_num_threads"),
      .number = Find<GetThreadNumber>("omp_get_thread_num"),
      .team_size = Find<GetTeamSize>("omp_get_num_threads"),
      .parallel = Find<Parallel>("GOMP_parallel")};
  return runtime;
}

// What the members of a team are told.
struct Placement {
  absl::Span<const int> cores;
  std::atomic<bool> was_refused{false};
};

void PlaceMember(void* data) {
  auto& placement = *static_cast<Placement*>(data);
  const auto member = static_cast<std::size_t>(FindRuntime().number());
  if (!StayOn(placement.cores.subspan(member, 1))) {
    placement.was_refused.store(true);
  }
}

// What the members of a team share out.
struct Parts {
  int count = 0;
  absl::FunctionRef<void(int part)> work;
};

void WorkAsMember(void* data) {
  const auto& parts = *static_cast<const Parts*>(data);
  const int members = FindRuntime().team_size();
  for (int part = FindRuntime().number(); part < parts.count; part += members) {
    parts.work(part);
  }
}

}  // namespace

bool OpenMpIsPresent() {
  return FindRuntime().get != nullptr && FindRuntime().set != nullptr;
}

OpenMpTeam::OpenMpTeam(int threads) {
  if (OpenMpIsPresent()) {
    threads_before_ = FindRuntime().get();
    FindRuntime().set(threads);
  }
}

OpenMpTeam::~OpenMpTeam() {
  if (OpenMpIsPresent()) {
    FindRuntime().set(threads_before_);
  }
}

int OpenMpThreads() { return OpenMpIsPresent() ? FindRuntime().get() : 1; }

void RunInTeam(int parts, absl::FunctionRef<void(int part)> work) {
  const Runtime& runtime = FindRuntime();
  if (parts == 1 || runtime.parallel == nullptr || runtime.number == nullptr ||
      runtime.team_size == nullptr) {
    for (int part = 0; part < parts; ++part) {
      work(part);
    }
    return;
  }
  Parts shared{.count = parts, .work = work};
  runtime.parallel(WorkAsMember, &shared, static_cast<unsigned>(parts), 0);
}

bool PlaceTeam(absl::Span<const int> cores) {
  if (cores.size() == 1 || cores.size() > kMostPlacedThreads ||
      FindRuntime().parallel == nullptr || FindRuntime().number == nullptr) {
    return StayOn(cores);
  }
  Placement placement{.cores = cores};
  FindRuntime().parallel(PlaceMember, &placement,
                         static_cast<unsigned>(cores.size()), 0);
  return !placement.was_refused.load();
}

}  // namespace resnetd
