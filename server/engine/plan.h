#pragma once

#include <cstddef>
#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/parameters.h"
#include "server/engine/picture_writer.h"
#include "server/engine/program.h"

namespace resnetd {

// One step of a plan: the primitive and what it works on. Offsets are into the
// arena.
struct PlannedStep {
  // What runs: `own` if it is set, else `primitive`.
  dnnl::primitive primitive;
  // The scratchpad is as large as `scratchpad` says.
  std::function<void(const std::byte* source, std::byte* destination,
                     std::byte* scratchpad)>
      own;
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
  // The step of the program that it is, or is a part of.
  std::size_t of_program = 0;
};

// A program for one batch size: every primitive made, every activation and
// scratchpad given its place. Immutable and shared by all executions.
struct Plan {
  int batch = 1;
  PictureFormat picture;
  std::size_t picture_offset = 0;
  std::size_t result_offset = 0;
  // What a last linear step reads, which nothing writes over before the next
  // run: the averaged features, in float32.
  std::size_t features_offset = 0;
  std::size_t arena_bytes = 0;
  std::vector<PlannedStep> steps;
};

// Makes the primitives for `batch` pictures in the precision of `parameters`,
// planned for as many threads as the calling thread's OpenMP team has. Only
// float32 for programs that do not end with the linear layer. Throws
// dnnl::error (unimplemented: the library has no such arithmetic on this CPU)
// and std::bad_alloc.
//
// How activations lie in memory is LayoutsOf()'s choice.
Plan MakePlan(const dnnl::engine& engine, const Program& program, int batch,
              Parameters& parameters);

}  // namespace resnetd
