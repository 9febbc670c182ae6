#pragma once

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/arena.h"
#include "server/engine/descs.h"
#include "server/engine/normalisation.h"
#include "server/engine/parameters.h"
#include "server/engine/program.h"

namespace resnetd {

// One step of a plan: the primitive and what it works on. Offsets are into the
// arena.
struct PlannedStep {
  dnnl::primitive primitive;
  dnnl::memory::desc source;
  dnnl::memory::desc destination;
  dnnl::memory::desc scratchpad;
  std::size_t source_offset = 0;
  std::size_t destination_offset = 0;
  std::size_t scratchpad_offset = 0;
  // Weights, bias and the like, by the library's argument numbers.
  std::vector<std::pair<int, dnnl::memory>> parameters;
  // E.g. "layer1.0.conv1 brgconv:avx512_core"; for logs and benches.
  std::string implementation;
};

// A program for one batch size: every primitive made, every activation and
// scratchpad given its place. Immutable and shared by all executions.
struct Plan {
  int batch = 1;
  PictureLayout picture_layout = PictureLayout::kInterleaved;
  std::size_t picture_offset = 0;
  std::size_t result_offset = 0;
  // What a last linear step reads, which nothing writes over before the next
  // run: the averaged features.
  std::size_t features_offset = 0;
  std::size_t arena_bytes = 0;
  std::vector<PlannedStep> steps;
};

// Makes the primitives for `batch` pictures, planned for as many threads as the
// calling thread's OpenMP team has. Throws dnnl::error and std::bad_alloc.
//
// All activations are NHWC: as fast as the blocked layouts for plain
// convolutions (77 ms of CPU for ResNet-50 in both, Zen 4), and 35 times faster
// for grouped ones, which have no kernel for blocked data in oneDNN 2.6.
Plan MakePlan(const dnnl::engine& engine, const Program& program, int batch,
              Parameters& parameters);

// A plan bound to memory: running it allocates no buffer. For one thread at a
// time. `arena` (plan.arena_bytes or more) and `plan` must outlive it.
class Execution {
 public:
  // Throws dnnl::error.
  Execution(const dnnl::engine& engine, const Plan& plan, std::byte* arena);

  // Where the normalised pictures go, 3 * crop * crop floats each.
  float* pictures() const { return pictures_; }
  // A row for each picture: logits, or features.
  const float* result() const { return result_; }
  // For programs that end with a linear step: what it read, a row for each
  // picture.
  const float* features() const { return features_; }

  // Throws dnnl::error.
  void Run(const dnnl::stream& stream) const;

 private:
  struct BoundStep {
    dnnl::primitive primitive;
    // Keeps what `arguments` point at alive.
    std::vector<dnnl::memory> memory;
    std::vector<dnnl_exec_arg_t> arguments;
  };

  std::vector<BoundStep> steps_;
  float* pictures_ = nullptr;
  const float* result_ = nullptr;
  const float* features_ = nullptr;
};

}  // namespace resnetd
