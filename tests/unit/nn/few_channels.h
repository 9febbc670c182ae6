#pragma once

#include "server/models/architecture.h"

namespace resnetd {

// Whether a convolution of `network` is a strided 1x1 one that reads fewer than
// eight channels. The oneDNN inside of LibTorch 2.11 writes beyond its memory,
// on processors without AVX-512, in the backward pass of those in float32. No
// network of FindArchitecture() has one, but most of these tests train small
// ones that do: on such processors they train without oneDNN, unless they say
// that their network is safe, which a server would train with it.
bool HasNarrowProjection(const Network& network);

// oneDNN for a scope in which no other network is trained than `network`, where
// that is safe; afterwards as before. The setting is the process's.
class OneDnnFor {
 public:
  explicit OneDnnFor(const Network& network);
  ~OneDnnFor();
  OneDnnFor(const OneDnnFor&) = delete;
  OneDnnFor& operator=(const OneDnnFor&) = delete;

 private:
  const bool was_on_;
};

}  // namespace resnetd
