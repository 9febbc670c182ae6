#include "server/rpc/convert_import.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/models/labels.h"
#include "server/rpc/convert_request.h"
#include "server/rpc/resource_name.h"
#include "server/rpc/violations.h"

namespace resnetd {
namespace {

void CheckSize(std::int64_t bytes, const RequestLimits& limits,
               Violations& violations) {
  constexpr absl::string_view kField = "header.size_bytes";
  const std::int64_t limit = limits.max_import_bytes;
  if (bytes < 1) {
    violations.Add(kField, absl::StrCat("size_bytes is ", bytes,
                                        ", a file has at least 1 byte"));
  } else if (bytes > limit) {
    violations.AddLimit(
        kField, "max-import-bytes", static_cast<std::size_t>(limit),
        static_cast<std::size_t>(bytes),
        absl::StrCat("size_bytes is ", bytes, ", at most ", limit,
                     " are accepted (--max-import-bytes)"));
  }
}

// What is wrong with `label`; empty: nothing. That it is UTF-8 has been seen
// when the message was read.
std::string ComplaintOf(absl::string_view label) {
  if (label.empty()) {
    return "is empty";
  }
  if (label.size() > kMaxLabelBytes) {
    return absl::StrCat("has ", label.size(), " bytes, at most ",
                        kMaxLabelBytes, " are accepted");
  }
  if (std::any_of(label.begin(), label.end(), [](char c) {
        return absl::ascii_iscntrl(static_cast<unsigned char>(c));
      })) {
    return absl::StrCat("has a control character: ", Quoted(label));
  }
  return "";
}

void CheckLabels(const v1::ImportVersionHeader& message,
                 Violations& violations) {
  const auto labels = static_cast<std::size_t>(message.labels_size());
  if (labels > kMaxLabels) {
    violations.AddLimit(
        "header.labels", "labels", kMaxLabels, labels,
        absl::StrCat(labels, " labels, at most ", kMaxLabels, " are accepted"));
    return;
  }
  for (int i = 0; i < message.labels_size(); ++i) {
    if (const std::string complaint = ComplaintOf(message.labels(i));
        !complaint.empty()) {
      violations.Add(absl::StrCat("header.labels[", i, "]"),
                     absl::StrCat("label ", i, " ", complaint));
    }
  }
}

void CopyChannels(const google::protobuf::RepeatedField<float>& values,
                  absl::string_view name, std::array<float, 3>& channels,
                  Violations& violations) {
  if (static_cast<std::size_t>(values.size()) != channels.size()) {
    const std::string field = absl::StrCat("header.preprocess.", name);
    violations.Add(field,
                   absl::StrCat("preprocess.", name, " has ", values.size(),
                                " values, one for each of red, green "
                                "and blue is needed"));
    return;
  }
  std::copy(values.begin(), values.end(), channels.begin());
}

PreprocessSpec ToSpec(const v1::Preprocess& message, Violations& violations) {
  PreprocessSpec spec;
  spec.resize = message.resize();
  spec.crop = message.crop();
  CopyChannels(message.mean(), "mean", spec.mean, violations);
  CopyChannels(message.std(), "std", spec.std, violations);
  violations.AddErrorIn("header.preprocess", Validate(spec));
  return spec;
}

void CheckDescription(const std::string& text, Violations& violations) {
  if (text.size() > kMaxDescriptionBytes) {
    violations.AddLimit(
        "header.description", "description-bytes", kMaxDescriptionBytes,
        text.size(),
        absl::StrCat("description has ", text.size(), " bytes, at most ",
                     kMaxDescriptionBytes, " are accepted"));
  }
}

std::optional<VersionNumber> CheckParent(std::int64_t parent,
                                         Violations& violations) {
  if (parent < 0) {
    violations.Add("header.parent_version",
                   absl::StrCat("parent_version ", parent,
                                " is not 0 for none, or a version from 1 on"));
  }
  return parent > 0 ? std::optional(VersionNumber{parent}) : std::nullopt;
}

}  // namespace

absl::StatusOr<ImportHeader> ToImportHeader(v1::ImportVersionHeader& message,
                                            const RequestLimits& limits) {
  Violations violations;
  std::optional<ModelName> model = violations.Take(
      "header.model", ParseModelName("header.model", message.model()));
  std::optional<Digest> sha256 = violations.Take(
      "header.sha256", ParseDigest("header.sha256", message.sha256()));
  CheckSize(message.size_bytes(), limits, violations);
  CheckLabels(message, violations);
  std::optional<PreprocessSpec> preprocess;
  if (message.has_preprocess()) {
    preprocess = ToSpec(message.preprocess(), violations);
  }
  if (!message.architecture().empty()) {
    violations.Take("header.architecture",
                    FindArchitecture(message.architecture(), 1));
  }
  CheckDescription(message.description(), violations);
  const std::optional<VersionNumber> parent =
      CheckParent(message.parent_version(), violations);
  violations.AddErrorIn("header", CheckRequestId(message.request_id(), limits));
  if (!violations.empty()) {
    return violations.ToStatus();
  }
  ImportHeader header{.model = *std::move(model),
                      .sha256 = *std::move(sha256),
                      .size_bytes = message.size_bytes(),
                      .preprocess = preprocess,
                      .architecture = message.architecture(),
                      .description = message.description(),
                      .parent = parent,
                      .validate_only = message.validate_only()};
  header.labels.assign(
      std::make_move_iterator(message.mutable_labels()->begin()),
      std::make_move_iterator(message.mutable_labels()->end()));
  return header;
}

absl::StatusOr<Digest> ParseDigest(absl::string_view field,
                                   absl::string_view text) {
  if (IsSha256Hex(text)) {
    return Digest(text);
  }
  const std::string message =
      absl::StrCat(field, " ", Quoted(text),
                   " is not a SHA-256 of 64 lower-case hex digits");
  return absl::Status(Error(absl::StatusCode::kInvalidArgument,
                            Reason::kRequestInvalid, message)
                          .Violation(field, message));
}

}  // namespace resnetd
