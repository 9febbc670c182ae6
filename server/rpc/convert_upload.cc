#include "server/rpc/convert_upload.h"

#include <cstddef>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/violations.h"
#include "server/finetune/dataset_names.h"
#include "server/models/labels.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

void CheckText(const std::string& parent, absl::string_view name,
               const std::string& text, std::size_t limit,
               Violations& violations) {
  if (text.size() > limit) {
    violations.AddLimit(
        absl::StrCat(parent, ".", name),
        absl::StrCat("example-", name, "-bytes"), limit, text.size(),
        absl::StrCat(parent, ".", name, " has ", text.size(),
                     " bytes, at most ", limit, " are accepted"));
  }
}

void CheckExample(const std::string& field, const v1::UploadExample& example,
                  Violations& violations) {
  CheckText(field, "name", example.name(), kMaxExampleNameBytes, violations);
  CheckText(field, "label", example.label(), kMaxLabelBytes, violations);
  if (!v1::ExampleSplit_IsValid(example.split())) {
    violations.Add(
        absl::StrCat(field, ".split"),
        absl::StrCat(field, ".split ", static_cast<int>(example.split()),
                     " is no split"));
  }
}

void CheckBatch(const v1::UploadBatch& message, const RequestLimits& limits,
                Violations& violations) {
  const auto examples = static_cast<std::size_t>(message.examples_size());
  const std::size_t limit = limits.max_upload_examples;
  if (message.first_index() < 0) {
    violations.Add(
        "batch.first_index",
        absl::StrCat("first_index ", message.first_index(), " is below 0"));
  }
  if (examples == 0) {
    violations.Add("batch.examples",
                   "an empty batch; one has at least 1 "
                   "example");
  } else if (examples > limit) {
    violations.AddLimit(
        "batch.examples", "max-upload-examples", limit, examples,
        absl::StrCat("batch has ", examples, " examples, at most ", limit,
                     " are accepted (--max-upload-examples)"));
    return;
  }
  for (int i = 0; i < message.examples_size(); ++i) {
    CheckExample(absl::StrCat("batch.examples[", i, "]"), message.examples(i),
                 violations);
  }
}

}  // namespace

absl::StatusOr<UploadHeader> ToUploadHeader(
    const v1::UploadExamplesHeader& message) {
  Violations violations;
  std::optional<DatasetName> dataset = violations.Take(
      "header.dataset", ParseDatasetName("header.dataset", message.dataset()));
  violations.AddErrorIn("header", CheckUploadName(message.upload()));
  if (!violations.empty()) {
    return violations.ToStatus();
  }
  return UploadHeader{.dataset = *std::move(dataset),
                      .upload = message.upload()};
}

absl::StatusOr<std::vector<UploadedExample>> ToUploadedExamples(
    v1::UploadBatch& message, const RequestLimits& limits) {
  Violations violations;
  CheckBatch(message, limits, violations);
  if (!violations.empty()) {
    return violations.ToStatus();
  }
  std::vector<UploadedExample> examples;
  examples.reserve(static_cast<std::size_t>(message.examples_size()));
  for (v1::UploadExample& example : *message.mutable_examples()) {
    examples.push_back({.name = std::move(*example.mutable_name()),
                        .label = std::move(*example.mutable_label()),
                        .split = static_cast<ExampleSplit>(example.split()),
                        .bytes = AsBytes(example.image())});
  }
  return examples;
}

}  // namespace resnetd
