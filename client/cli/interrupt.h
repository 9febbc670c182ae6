#pragma once

namespace resnetd::cli {

// While it lives, the first SIGINT (Ctrl-C) or SIGTERM does not end the program
// but is told here, so that what was measured can still be printed; a second
// one ends it as ever. One at a time, made and destroyed in the same thread.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Also from other threads.
  bool has_come() const;
};

}  // namespace resnetd::cli
