#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace resnetd {

// What a backend computes otherwise than it was meant to, because the machine,
// a library or the memory does not let it: answers stay right, but come later
// or from fewer batches at once. Each has a line in the log, and is counted.
enum class Fallback {
  // Vector kernels of the CPU engine failed in its self-test: it runs weaker
  // ones. Once a process.
  kKernelsCapped,
  // cuDNN does not compute every convolution of a network together with what
  // follows it. Once a load, for each device.
  kUnfusedConvolutions,
  // A batch size was not recorded, for want of memory of a GPU. Once a size of
  // a load.
  kBatchSizeLeftOut,
  // A batch was computed in halves, for want of memory of a GPU.
  kBatchHalved,
  // A batch went to another device, for want of memory of the first one.
  kOtherDevice,
  // A kept choice of a precision did not hold any more, and is made again.
  kKeptChoiceDropped,
  // int8 serves a version whose activations are larger on real pictures than on
  // those that it was calibrated with, and are cut off.
  kInt8Clips,
};

// "kernels_capped", "unfused_convolutions", "batch_size_left_out",
// "batch_halved", "other_device", "kept_choice_dropped", "int8_clips".
const char* FallbackName(Fallback fallback);

// Of the whole process, as what falls back is: the processor's kernels, the
// devices. Also for the LibTorch plug-in, which takes it from the executable.
// Thread-safe, takes no lock.
void CountFallback(Fallback fallback);

// How often each has happened since the start of the process, by its name; all
// are there, also those that never have. Thread-safe.
std::map<std::string, std::int64_t> CountedFallbacks();

}  // namespace resnetd
