#pragma once

#include <vector>

#include "server/finetune/alarm_rules.h"

namespace resnetd {

inline constexpr AlarmFacts kFacts = {
    .classes = 10, .total_steps = 1000, .majority_share = 0.4};

// What `rule` found, or nothing.
inline AlarmFinding Find(const std::vector<AlarmFinding>& findings,
                         AlarmRule rule) {
  for (const AlarmFinding& finding : findings) {
    if (finding.rule == rule) {
      return finding;
    }
  }
  return {.rule = rule};
}

}  // namespace resnetd
