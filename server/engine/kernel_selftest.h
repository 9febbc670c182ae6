#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/clock.h"

namespace resnetd {

struct KernelSelftestOptions {
  // A child that has not finished by then counts as dead. The usual one takes
  // 20 ms of one core.
  Duration time_limit = std::chrono::seconds(10);
  // For tests of this file: called in the child before the kernels run, with
  // the name of the instruction set in use.
  std::function<void(const std::string& isa)> fault;
};

struct KernelSelftest {
  // The instruction set in use from here on, e.g. "avx512_core_bf16".
  std::string isa;
  // Stronger kernels died and are off.
  bool capped = false;
  // One line for the log and for GetServerInfo.
  std::string text;
};

// Proves that the vector kernels run on this machine: some virtual machines
// advertise instructions and then kill the process that uses them (SIGILL).
//
// A forked child runs float32, bfloat16 and int8 convolutions with the
// strongest instruction set that the CPU advertises and checks their results.
// As long as the child dies, hangs or miscalculates, another one tries a weaker
// set; the library is then capped to the first that works, which is counted
// (Fallback::kKernelsCapped).
//
// Call once, first thing in main: no other thread may exist yet (a fork copies
// the locks of other threads, not the threads) and the library must not have
// been used (its instruction set is settled by the first use).
//
// FAILED_PRECONDITION (BACKEND_UNAVAILABLE): no instruction set works; the
// engine must not be used. INTERNAL: called too late, or no process can be
// made.
absl::StatusOr<KernelSelftest> ProveKernels(
    const KernelSelftestOptions& options = {});

}  // namespace resnetd
