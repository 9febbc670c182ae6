#pragma once

#include <cstdint>

#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {

// The networks of the gradient lab: residual networks in the style of CIFAR
// (3x3 stem, stages of 16, 32 and 64 channels), and what they are compared
// with.
struct LabSpec {
  // Blocks of each of the three stages, >= 1: 6 n + 2 layers.
  int stage_blocks = 1;
  BlockVersion version = BlockVersion::kV1;
  // false: the plain twin, the same network without any shortcut. Who computes
  // it leaves them out: see PlainTap.
  bool has_shortcuts = true;
  // false: no batch norm anywhere; version kV1 alone.
  bool has_norms = true;
  // Every block begins as the identity.
  bool zero_residual = false;
  // The weights of convolutions begin with so many times the usual ones.
  double gain = 1;
  std::int64_t seed = 0;
};

int LayersOf(const LabSpec& spec);

// For `classes` >= 1. A twin has no projections, so that it has the parameters
// of the main paths alone.
Network LabNetwork(const LabSpec& spec, int classes);

// What its training begins with: InitialWeights(), times the gain.
Weights LabWeights(const LabSpec& spec, const Network& network);

// A network and what is in it.
struct DeepenedNetwork {
  Network network;
  Weights weights;
};

// `network`, a v1 network of the lab, with `extra` >= 0 more blocks at the end
// of each stage. All that was there keeps its weights. A new block begins as a
// block of a new network does, but for the scale of its last norm, which is
// `scale`: with 0 it is the identity, bit for bit, since what comes out of the
// block before is not negative.
DeepenedNetwork Deepened(const LabSpec& spec, const Network& network,
                         const Weights& weights, int extra, float scale);

}  // namespace resnetd
