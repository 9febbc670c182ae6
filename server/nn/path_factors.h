#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>

namespace resnetd {

// Stochastic depth (Huang et al. 2016), one decision for each picture and
// block.

// Chance that block number `block` of `blocks` leaves its main path out: from 0
// at the first block up to `last_chance` at the last one. The first and only
// block of a network never does.
double DropChance(double last_chance, std::size_t block, std::size_t blocks);

// What the main paths of `pictures` pictures are multiplied by, {pictures, 1,
// 1, 1}: 0 with probability `chance` < 1, else 1 / (1 - chance). Every value
// follows from `seed`, `block` and the number of the picture alone.
// May throw c10::Error.
at::Tensor PathFactors(double chance, std::uint64_t seed, std::size_t block,
                       std::int64_t pictures, const at::TensorOptions& options);

}  // namespace resnetd
