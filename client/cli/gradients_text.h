#pragma once

#include <string>
#include <vector>

#include "client/cli/table.h"
#include "client/gradient_types.h"

namespace resnetd::cli {

// The gradients of a job in words and characters. Pure.

// How a block stands at a sample, in a word or two, e.g. "both paths",
// "shortcut", "frozen". `noise` is the block's over the whole range.
std::string BlockWord(const client::BlockSample& block,
                      const client::BlockNoise& noise);

// What a depth ratio says, e.g. "depth ratio 1.8: the first block gets about
// as much as the last (0.001 to 1000 is healthy)".
std::string DepthText(double ratio);

// The norm of one path beside the largest of all: four decades, the largest is
// a full bar.
std::string PathBar(double norm, double largest, bool unicode);

// One line about a sample, e.g. "step 120, 64 pictures, gradient 0.83, ...".
std::string SampleText(const client::GradientSample& sample);

// One line for each of the blocks at the newest sample, with bars and curves.
Table GradientsTable(const client::GradientReport& report, bool unicode);

// What follows from the samples: depth ratio, noise, alarms; each a line.
std::vector<std::string> GradientVerdicts(const client::GradientReport& report);

// Everything of these; escaped.
std::string GradientsText(const std::string& title,
                          const client::GradientReport& report, bool unicode);

// E.g. "alarm VANISHING since step 31: ..."; not escaped.
std::string AlarmText(const client::ActiveAlarm& alarm);

}  // namespace resnetd::cli
