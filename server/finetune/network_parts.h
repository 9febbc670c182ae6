#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/models/architecture.h"

namespace resnetd {

// The parts of a network that are trained or frozen as a whole, in order of
// depth: "stem", "layer1", "layer2", ..., "head". The final norm of a v2
// network belongs to its last stage.
std::vector<std::string> PartNames(const Network& network);

// The part that the tensor `name` of the state dict belongs to, as an index of
// PartNames(). Precondition: the network has the tensor.
std::size_t PartOf(const Network& network, absl::string_view name);

// What reports and metrics call the residual blocks, in order of depth: with
// their number in two digits, e.g. "layer3.05", so that they are sorted as
// texts.
std::vector<std::string> BlockLabels(const Network& network);

}  // namespace resnetd
