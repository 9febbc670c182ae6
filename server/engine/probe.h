#pragma once

#include <string>

namespace resnetd {

// Runs small convolutions of every arithmetic that the library has on this
// machine, and of our own kernels that its processor can run, and compares what
// they give with the exact result. Returns what is wrong, or an empty string.
// May die of a signal: meant for a child process. Does not throw.
std::string ProbeKernels();

}  // namespace resnetd
