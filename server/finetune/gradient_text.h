#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "server/finetune/gradient_sample.h"

namespace resnetd {

// A sample as databases have it: every number with all its bits, about 170
// bytes a block, as base64. What was written by an older program is read.
std::string FormatSample(const GradientSample& sample);

// nullopt: FormatSample() did not write it.
std::optional<GradientSample> ParseSample(absl::string_view text);

}  // namespace resnetd
