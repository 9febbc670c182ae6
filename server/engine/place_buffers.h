#pragma once

#include <cstddef>

#include "server/engine/plan.h"

namespace resnetd {

// Gives every buffer of the plan its place in the arena. Before: the source and
// destination offsets of the steps are numbers of buffers, 0 to `buffers` - 1.
// Buffer `features` keeps what it holds until the next run.
void PlaceBuffers(std::size_t buffers, std::size_t result, std::size_t features,
                  Plan& plan);

}  // namespace resnetd
