#include "server/finetune/dataset_report.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "server/base/status_macros.h"
#include "server/finetune/dataset_advice.h"

namespace resnetd {
namespace {

// Rows read at once.
constexpr std::size_t kPage = 10'000;

std::int64_t& CountOf(ExampleSplit split, SplitCounts& counts) {
  switch (split) {
    case ExampleSplit::kValidation:
      return counts.validation;
    case ExampleSplit::kTest:
      return counts.test;
    default:
      return counts.train;
  }
}

SideReport ReportOnSides(std::vector<int> sides) {
  if (sides.empty()) {
    return {};
  }
  const auto middle =
      sides.begin() + static_cast<std::ptrdiff_t>((sides.size() - 1) / 2);
  std::nth_element(sides.begin(), middle, sides.end());
  const auto [min, max] = std::minmax_element(sides.begin(), sides.end());
  return {.min = *min, .median = *middle, .max = *max};
}

void AddPictures(absl::Span<const ExampleRow> examples, DatasetReport& report) {
  if (examples.empty()) {
    return;
  }
  const auto count = static_cast<double>(examples.size());
  std::vector<int> widths;
  std::vector<int> heights;
  std::array<double, 3> mean_square{};
  std::int64_t grey = 0;
  for (const ExampleRow& example : examples) {
    widths.push_back(example.width);
    heights.push_back(example.height);
    grey += example.is_grey ? 1 : 0;
    for (std::size_t c = 0; c < mean_square.size(); ++c) {
      report.mean[c] += example.mean[c] / count;
      mean_square[c] += example.mean_square[c] / count;
    }
  }
  for (std::size_t c = 0; c < mean_square.size(); ++c) {
    report.deviation[c] = std::sqrt(
        std::max(0.0, mean_square[c] - report.mean[c] * report.mean[c]));
  }
  report.width = ReportOnSides(std::move(widths));
  report.height = ReportOnSides(std::move(heights));
  report.grey_share = static_cast<double>(grey) / count;
}

double ImbalanceOf(const std::vector<SplitCounts>& classes) {
  std::int64_t smallest = 0;
  std::int64_t largest = 0;
  for (const SplitCounts& counts : classes) {
    const std::int64_t all = counts.all();
    largest = std::max(largest, all);
    if (all > 0 && (smallest == 0 || all < smallest)) {
      smallest = all;
    }
  }
  return smallest == 0
             ? 0
             : static_cast<double>(largest) / static_cast<double>(smallest);
}

double MajorityBaseline(const DatasetReport& report) {
  const auto most =
      std::max_element(report.classes.begin(), report.classes.end(),
                       [](const SplitCounts& a, const SplitCounts& b) {
                         return a.train < b.train;
                       });
  if (most == report.classes.end() || report.total.validation == 0) {
    return 0;
  }
  return static_cast<double>(most->validation) /
         static_cast<double>(report.total.validation);
}

// Hands every row of a list to `take`, page by page.
template <typename List, typename Take>
absl::Status ForEachRow(const List& list, const Take& take) {
  for (std::int64_t after = 0;;) {
    ASSIGN_OR_RETURN(auto page, list(after, kPage));
    if (page.empty()) {
      return absl::OkStatus();
    }
    after = page.back().sequence;
    for (auto& row : page) {
      take(row);
    }
  }
}

}  // namespace

DatasetReport ReportOn(const std::vector<std::string>& labels,
                       absl::Span<const ExampleRow> examples,
                       const std::map<std::string, std::int64_t>& rejected,
                       const SplitSpec& split) {
  DatasetReport report{.split = split, .rejected = rejected};
  report.classes.resize(labels.size());
  const std::vector<ExampleSplit> splits = AssignSplits(examples, split);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto label = static_cast<std::size_t>(examples[i].label);
    ++CountOf(splits[i], report.classes[label]);
    ++CountOf(splits[i], report.total);
  }
  AddPictures(examples, report);
  report.imbalance = ImbalanceOf(report.classes);
  report.majority_baseline = MajorityBaseline(report);
  report.advice = AdviceOn(labels, report);
  return report;
}

absl::StatusOr<DatasetReport> ReportOnDataset(DatasetManager& manager,
                                              const DatasetName& name,
                                              const SplitSpec& split) {
  RETURN_IF_ERROR(CheckSplit(split));
  ASSIGN_OR_RETURN(const DatasetRow dataset, manager.GetDataset(name));
  std::vector<ExampleRow> examples;
  RETURN_IF_ERROR(ForEachRow(
      [&](std::int64_t after, std::size_t limit) {
        return manager.ListExamples(name, after, limit);
      },
      [&](ExampleRow& row) {
        row.pack = Digest();  // A million of them are 90 MB.
        examples.push_back(std::move(row));
      }));
  std::map<std::string, std::int64_t> rejected;
  RETURN_IF_ERROR(ForEachRow(
      [&](std::int64_t after, std::size_t limit) {
        return manager.ListRejected(name, after, limit);
      },
      [&](const RejectedRow& row) { ++rejected[row.code]; }));
  return ReportOn(dataset.labels, examples, rejected, split);
}

}  // namespace resnetd
