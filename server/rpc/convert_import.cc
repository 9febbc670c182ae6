#include "server/rpc/convert_import.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/violations.h"
#include "server/models/import_header.h"
#include "server/rpc/convert_request.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

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
  return spec;
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
  const std::optional<ModelName> model = violations.Take(
      "header.model", ParseModelName("header.model", message.model()));
  std::optional<PreprocessSpec> preprocess;
  if (message.has_preprocess()) {
    preprocess = ToSpec(message.preprocess(), violations);
  }
  const std::optional<VersionNumber> parent =
      CheckParent(message.parent_version(), violations);
  violations.AddErrorIn("header", CheckRequestId(message.request_id(), limits));
  ImportHeader header{
      // Any name, so that the other fields are looked at too.
      .model = model ? *model : ModelName::Parse("unnamed").value(),
      .sha256 = message.sha256(),
      .size_bytes = message.size_bytes(),
      .preprocess = preprocess,
      .architecture = message.architecture(),
      .description = message.description(),
      .temperature = message.temperature() == 0 ? 1 : message.temperature(),
      .parent = parent,
      .validate_only = message.validate_only()};
  header.labels.assign(
      std::make_move_iterator(message.mutable_labels()->begin()),
      std::make_move_iterator(message.mutable_labels()->end()));
  violations.AddErrorIn("header", CheckHeader(header, limits.max_import_bytes));
  if (!violations.empty()) {
    return violations.ToStatus();
  }
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
