#pragma once

#include <string>

#include "client/gradient_types.h"

namespace resnetd::cli {

// A picture that needs nothing but itself: four fields of blocks over time, the
// gradient's norm through the shortcut and through the main path side by side
// on one scale, below them that of both together and the signal-to-noise
// ratio. Colours follow prefers-color-scheme. Pure; at least one sample.
std::string GradientsSvg(const std::string& title,
                         const client::GradientReport& report);

}  // namespace resnetd::cli
