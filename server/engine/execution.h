#pragma once

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "server/engine/plan.h"

namespace resnetd {

// A plan bound to memory: running it allocates no buffer and makes no
// primitive. For one thread at a time. `arena` (plan.arena_bytes or more) and
// `plan` must outlive it.
class Execution {
 public:
  // Throws dnnl::error.
  Execution(const dnnl::engine& engine, const Plan& plan, std::byte* arena);

  // Where the pictures go, as plan.picture says.
  std::byte* pictures() const { return arena_ + plan_.picture_offset; }
  // A row for each picture: logits, or features.
  const float* result() const { return FloatsAt(plan_.result_offset); }
  // For programs that end with a linear step: what it read, a row for each
  // picture.
  const float* features() const { return FloatsAt(plan_.features_offset); }

  // Throws dnnl::error.
  void Run(const dnnl::stream& stream) const;

  // One step after the other, for whoever looks at what lies between them:
  // Output(i) holds what step i of the plan wrote, until a later step needs the
  // place.
  void RunStep(std::size_t step, const dnnl::stream& stream) const;
  const std::byte* Output(std::size_t step) const {
    return arena_ + plan_.steps[step].destination_offset;
  }

 private:
  struct BoundStep {
    // Keeps what `arguments` point at alive.
    std::vector<dnnl::memory> memory;
    std::vector<dnnl_exec_arg_t> arguments;
  };

  const float* FloatsAt(std::size_t offset) const {
    return reinterpret_cast<const float*>(arena_ + offset);
  }

  const Plan& plan_;
  std::byte* const arena_;
  std::vector<BoundStep> steps_;
};

}  // namespace resnetd
