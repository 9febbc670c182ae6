#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/convert.h"

namespace resnetd::client {
namespace {

DatasetState FromProto(v1::DatasetState state) {
  switch (state) {
    case v1::DATASET_STATE_OPEN:
      return DatasetState::kOpen;
    case v1::DATASET_STATE_SEALED:
      return DatasetState::kSealed;
    case v1::DATASET_STATE_DELETED:
      return DatasetState::kDeleted;
    default:  // A newer server may know more of them.
      return DatasetState::kUnknown;
  }
}

ExampleSplit FromProto(v1::ExampleSplit split) {
  switch (split) {
    case v1::EXAMPLE_SPLIT_TRAIN:
      return ExampleSplit::kTrain;
    case v1::EXAMPLE_SPLIT_VALIDATION:
      return ExampleSplit::kValidation;
    case v1::EXAMPLE_SPLIT_TEST:
      return ExampleSplit::kTest;
    default:
      return ExampleSplit::kAuto;
  }
}

SideReport FromProto(const v1::SizeReport& side) {
  return {.min = side.min(), .median = side.median(), .max = side.max()};
}

}  // namespace

absl::string_view DatasetStateName(DatasetState state) {
  switch (state) {
    case DatasetState::kOpen:
      return "OPEN";
    case DatasetState::kSealed:
      return "SEALED";
    case DatasetState::kDeleted:
      return "DELETED";
    case DatasetState::kUnknown:
      break;
  }
  return "UNKNOWN";
}

absl::string_view ExampleSplitName(ExampleSplit split) {
  switch (split) {
    case ExampleSplit::kTrain:
      return "train";
    case ExampleSplit::kValidation:
      return "validation";
    case ExampleSplit::kTest:
      return "test";
    case ExampleSplit::kAuto:
      break;
  }
  return "auto";
}

std::string DatasetResource(absl::string_view name) {
  return absl::StartsWith(name, "datasets/") ? std::string(name)
                                             : absl::StrCat("datasets/", name);
}

v1::ExampleSplit ToProto(ExampleSplit split) {
  switch (split) {
    case ExampleSplit::kTrain:
      return v1::EXAMPLE_SPLIT_TRAIN;
    case ExampleSplit::kValidation:
      return v1::EXAMPLE_SPLIT_VALIDATION;
    case ExampleSplit::kTest:
      return v1::EXAMPLE_SPLIT_TEST;
    case ExampleSplit::kAuto:
      break;
  }
  return v1::EXAMPLE_SPLIT_UNSPECIFIED;
}

Dataset FromProto(const v1::Dataset& dataset) {
  Dataset out = {.name = dataset.name(),
                 .state = FromProto(dataset.state()),
                 .labels = {dataset.labels().begin(), dataset.labels().end()},
                 .num_classes = dataset.num_classes(),
                 .digest = dataset.digest(),
                 .example_count = dataset.example_count(),
                 .rejected_count = dataset.rejected_count(),
                 .size_bytes = dataset.size_bytes(),
                 .create_time = FromProto(dataset.create_time()),
                 .etag = dataset.etag()};
  if (dataset.has_seal_time()) {
    out.seal_time = FromProto(dataset.seal_time());
  }
  return out;
}

Example FromProto(const v1::Example& example) {
  return {.sequence = example.sequence(),
          .image_sha256 = example.image_sha256(),
          .label = example.label(),
          .split = FromProto(example.split()),
          .width = example.width(),
          .height = example.height(),
          .is_grey = example.is_grey(),
          .size_bytes = example.size_bytes()};
}

RejectedExample FromProto(const v1::RejectedExample& rejected) {
  return {.sequence = rejected.sequence(),
          .name = rejected.name(),
          .label = rejected.label(),
          .code = rejected.code(),
          .message = rejected.message()};
}

DatasetReport FromProto(const v1::DatasetReport& report) {
  DatasetReport out = {.split = {.validation = report.split().validation(),
                                 .test = report.split().test(),
                                 .seed = report.split().seed()},
                       .total = {.train = report.train(),
                                 .validation = report.validation(),
                                 .test = report.test()},
                       .imbalance = report.imbalance(),
                       .width = FromProto(report.width()),
                       .height = FromProto(report.height()),
                       .grey_share = report.grey_share(),
                       .mean = {report.mean().begin(), report.mean().end()},
                       .std = {report.std().begin(), report.std().end()},
                       .majority_baseline = report.majority_baseline()};
  for (const v1::ClassReport& one : report.classes()) {
    out.classes.push_back({.label = one.label(),
                           .counts = {.train = one.train(),
                                      .validation = one.validation(),
                                      .test = one.test()}});
  }
  for (const v1::RejectionCount& rejection : report.rejections()) {
    out.rejections.emplace_back(rejection.code(), rejection.count());
  }
  for (const v1::DatasetAdvice& advice : report.advice()) {
    out.advice.push_back({.code = advice.code(),
                          .blocking = advice.blocking(),
                          .message = advice.message()});
  }
  return out;
}

}  // namespace resnetd::client
