#pragma once

#include <cstddef>
#include <cstdint>

#include "server/models/architecture.h"
#include "server/models/memory_ledger.h"

namespace resnetd {

// Bytes of the network's tensors in float32.
std::int64_t FloatBytes(const Network& network);

// About what the activations of a batch take in float32, for pictures of side x
// side: as many buffers as a block needs at a time, of the largest size.
std::int64_t ActivationBytes(const Network& network, int side,
                             std::size_t batch);

// About what a loaded network holds for pictures of side x side in batches of
// up to `max_batch`, before it is loaded: `loading` of the answer. Factors
// measured with the engine, see docs/benchmarks.md.
MemoryUse EstimateMemory(const Network& network, int side,
                         std::size_t max_batch);

// What a loaded network that says it holds `resident_bytes` holds them for.
MemoryUse DivideMemory(const Network& network, std::int64_t resident_bytes);

}  // namespace resnetd
