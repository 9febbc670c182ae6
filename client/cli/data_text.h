#pragma once

#include <string>

#include "client/cli/json.h"
#include "client/cli/terminal.h"
#include "client/dataset_types.h"

namespace resnetd::cli {

// Datasets as people and programs read them. Texts are safe for a terminal.

Json DatasetJson(const client::Dataset& dataset);
Json ReportJson(const client::DatasetReport& report);

// "1,797 pictures, 10 classes, 412.3 KiB, OPEN".
std::string Describe(const client::Dataset& dataset);

// Everything about a dataset: facts, a bar for each class, advice.
std::string ReportText(const client::DescribedDataset& described,
                       const Terminal& terminal);

// One line of progress of an upload; narrower than the terminal.
std::string UploadLine(const client::UploadSummary& summary,
                       std::int64_t pictures, std::int64_t bytes,
                       std::chrono::nanoseconds elapsed,
                       const Terminal& terminal);

}  // namespace resnetd::cli
