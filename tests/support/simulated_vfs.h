#pragma once

#include <memory>
#include <string>

#include "tests/support/simulated_disk.h"

namespace resnetd {

// The files of a SimulatedDisk for SQLite, under a VFS name of its own while
// this lives. It syncs what SQLite's VFS for Unix syncs: a file when told to,
// with a new journal or log its folder. Shared memory is memory; locks count
// between the connections of this process. All names are paths of the disk; a
// leading "/" is left out. `disk` outlives it, and it outlives all connections.
// Thread-safe.
class SimulatedVfs {
 public:
  explicit SimulatedVfs(SimulatedDisk& disk);
  ~SimulatedVfs();
  SimulatedVfs(const SimulatedVfs&) = delete;
  SimulatedVfs& operator=(const SimulatedVfs&) = delete;

  const std::string& name() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace resnetd
