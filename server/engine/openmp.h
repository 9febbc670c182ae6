#pragma once

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

}  // namespace resnetd
