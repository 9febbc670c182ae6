#include "server/engine/execution.h"

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

#include "server/engine/onednn_api.h"
#include "server/engine/plan.h"

namespace resnetd {

Execution::Execution(const dnnl::engine& engine, const Plan& plan,
                     std::byte* arena)
    : plan_(plan), arena_(arena) {
  for (const PlannedStep& step : plan.steps) {
    BoundStep bound;
    if (!step.own) {
      std::vector<std::pair<int, dnnl::memory>> arguments = step.parameters;
      arguments.emplace_back(
          DNNL_ARG_SRC,
          dnnl::memory(step.source, engine, arena + step.source_offset));
      arguments.emplace_back(DNNL_ARG_DST,
                             dnnl::memory(step.destination, engine,
                                          arena + step.destination_offset));
      if (step.scratchpad.get_size() > 0) {
        arguments.emplace_back(DNNL_ARG_SCRATCHPAD,
                               dnnl::memory(step.scratchpad, engine,
                                            arena + step.scratchpad_offset));
      }
      for (auto& [number, memory] : arguments) {
        bound.arguments.push_back({number, memory.get()});
        bound.memory.push_back(std::move(memory));
      }
    }
    steps_.push_back(std::move(bound));
  }
}

void Execution::RunStep(std::size_t step, const dnnl::stream& stream) const {
  const PlannedStep& planned = plan_.steps[step];
  if (planned.own) {
    planned.own(arena_ + planned.source_offset,
                arena_ + planned.destination_offset,
                arena_ + planned.scratchpad_offset);
  } else {
    Execute(planned.primitive, stream, steps_[step].arguments);
  }
}

void Execution::Run(const dnnl::stream& stream) const {
  for (std::size_t step = 0; step < steps_.size(); ++step) {
    RunStep(step, stream);
  }
}

}  // namespace resnetd
