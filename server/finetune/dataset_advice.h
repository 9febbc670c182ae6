#pragma once

#include <string>
#include <vector>

#include "server/finetune/dataset_report.h"

namespace resnetd {

// What to look at before training, blocking things first. Looks at everything
// of `report` but its advice. Pure.
std::vector<DatasetAdvice> AdviceOn(const std::vector<std::string>& labels,
                                    const DatasetReport& report);

}  // namespace resnetd
