#pragma once

#include "server/engine/precision.h"

namespace resnetd {

// The most operations a second (a multiplication and an addition are two) that
// one core of this machine reached in the arithmetic of `precision`, in loops
// that touch registers alone: what no convolution can pass without other
// instructions. Best of `rounds` rounds of some 5 ms of CPU. 0: this CPU has no
// such instructions, or the bench does not know them (AMX).
double CorePeak(Precision precision, int rounds = 20);

}  // namespace resnetd
