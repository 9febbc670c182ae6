#pragma once

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"

namespace resnetd {

// How many OpenMP threads oneDNN uses when this thread calls it, for a scope;
// afterwards as before. The setting belongs to the calling thread alone.
//
// The runtime is the one that oneDNN brought into the process; it is looked up
// by name because code of ours is never compiled for OpenMP: that could link a
// second runtime. Without one (oneDNN built otherwise) nothing happens.
class OpenMpTeam {
 public:
  // `threads` >= 1.
  explicit OpenMpTeam(int threads);
  ~OpenMpTeam();
  OpenMpTeam(const OpenMpTeam&) = delete;
  OpenMpTeam& operator=(const OpenMpTeam&) = delete;

 private:
  int threads_before_ = 0;
};

// Whether the number of threads can be chosen in this process.
bool OpenMpIsPresent();

// How many threads the calling thread's next team has: as OpenMpTeam says, or
// one where there is no runtime.
int OpenMpThreads();

// Calls work(0) to work(parts - 1), each once, on the calling thread's team of
// that many threads, the same that the library uses, and returns when all are
// done. A team that the system made smaller takes several parts a thread;
// without a runtime the caller does all. Allocates nothing. `work` does not
// throw.
void RunInTeam(int parts, absl::FunctionRef<void(int part)> work);

// From now on the calling thread runs on the first of `cores` (at least one),
// and the others of the OpenMP team that it makes, of as many threads as there
// are cores, each on one of its own. Without that the scheduler wakes the
// members of a team where their maker runs, and they take turns on one core.
//
// A team that shrinks ends threads, and makes them anew on the core of its
// maker: of more than two threads no more than the maker's cores are settled,
// all of them together. False: the system refused a core.
bool PlaceTeam(absl::Span<const int> cores);

}  // namespace resnetd
