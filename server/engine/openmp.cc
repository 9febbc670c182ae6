#include "server/engine/openmp.h"

#include <dlfcn.h>

namespace resnetd {
namespace {

using GetMaxThreads = int (*)();
using SetNumThreads = void (*)(int);

struct Runtime {
  GetMaxThreads get = nullptr;
  SetNumThreads set = nullptr;
};

const Runtime& FindRuntime() {
  static const Runtime runtime = {.get = reinterpret_cast<GetMaxThreads>(dlsym(
                                      RTLD_DEFAULT, "omp_get_max_threads")),
                                  .set = reinterpret_cast<SetNumThreads>(dlsym(
                                      RTLD_DEFAULT, "omp_set_num_threads"))};
  return runtime;
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

}  // namespace resnetd
