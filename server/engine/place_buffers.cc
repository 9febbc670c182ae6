#include "server/engine/place_buffers.h"

#include <algorithm>
#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "server/engine/arena.h"
#include "server/engine/plan.h"

namespace resnetd {

void PlaceBuffers(std::size_t buffers, std::size_t result, std::size_t features,
                  Plan& plan) {
  const std::size_t steps = plan.steps.size();
  // A buffer lives from the first step that touches it to the last; a
  // scratchpad during its step.
  std::vector<BufferLife> lives(buffers + steps,
                                {.bytes = 0, .first = steps, .last = 0});
  const auto touch = [&](std::size_t buffer, std::size_t step,
                         const dnnl::memory::desc& desc) {
    BufferLife& life = lives[buffer];
    life.bytes = std::max(life.bytes, desc.get_size());
    life.first = std::min(life.first, step);
    life.last = std::max(life.last, step);
  };
  for (std::size_t i = 0; i < steps; ++i) {
    const PlannedStep& planned = plan.steps[i];
    touch(planned.source_offset, i, planned.source);
    touch(planned.destination_offset, i, planned.destination);
    touch(buffers + i, i, planned.scratchpad);
  }
  lives[features].last = steps;
  const ArenaPlan arena = PlanArena(lives);
  for (std::size_t i = 0; i < steps; ++i) {
    PlannedStep& planned = plan.steps[i];
    planned.source_offset = arena.offsets[planned.source_offset];
    planned.destination_offset = arena.offsets[planned.destination_offset];
    planned.scratchpad_offset = arena.offsets[buffers + i];
  }
  plan.arena_bytes = arena.bytes;
  plan.picture_offset = arena.offsets.front();
  plan.result_offset = arena.offsets[result];
  plan.features_offset = arena.offsets[features];
}

}  // namespace resnetd
