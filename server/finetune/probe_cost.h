#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "server/finetune/gradient_probe.h"
#include "server/models/architecture.h"

namespace resnetd {

// What a probe costs, told before it begins.

// Ways back through `blocks` blocks that take the main path of `main_paths` of
// them: how many of `main_paths` can be chosen. Exact below 2^53.
double WaysBack(int blocks, int main_paths);

// Whether `passes` are enough to go all 2^blocks ways.
bool GoesAllWays(int blocks, int passes);

// Ways of one length that are gone when not all are.
int PassesOfLength(int blocks, int passes);

// Work in passes through the network without gradients; one with gradients
// counts as three.
inline constexpr std::int64_t kForwardWork = 1;
inline constexpr std::int64_t kBackwardWork = 3;
std::int64_t ProbeWork(int blocks, const ProbeSettings& settings);

// Multiplications and additions of one picture of side x side on its way
// through the convolutions and the head, counted as pairs.
double MultiplyAdds(const Network& network, int side);

// The most that one pass may have, of all pictures together: nothing ends a
// pass once it has begun. In double precision LibTorch 2.11 did 1e10 a second
// on one core of a Zen 4 (ResNet-18 at 224 x 224): 5 s, backwards 8 s more.
inline constexpr double kMostPassOperations = 5e10;
// And the whole probe: 7 minutes on such a core.
inline constexpr double kMostProbeOperations = 4e12;

// INVALID_ARGUMENT (LIMIT_EXCEEDED, "probe-pass-operations" or
// "probe-operations") for more; says how many pictures are not too many, or
// what to leave out.
absl::Status CheckProbeCost(const Network& network, int side, int examples,
                            const ProbeSettings& settings);

// About what a probe holds in memory at most, in bytes.
struct ProbeMemory {
  // Weights as they are stored and in double precision, gradients of them.
  std::int64_t network = 0;
  // What the backward pass needs, and the gradients at every block.
  std::int64_t activations = 0;

  std::int64_t total() const { return network + activations; }
};
ProbeMemory EstimateProbeMemory(const Network& network, int side, int examples,
                                const ProbeSettings& settings);

// OK when `needed` bytes are at most `available`, or that is not known;
// RESOURCE_EXHAUSTED (OUT_OF_MEMORY) with both in its text and in metadata
// "needed" and "free".
absl::Status CheckProbeMemory(const ProbeMemory& needed,
                              std::optional<std::int64_t> available);

}  // namespace resnetd
