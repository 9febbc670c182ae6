#include "server/rpc/resource_name.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/models/model_registry.h"

namespace resnetd {
namespace {

constexpr absl::string_view kModels = "models/";

absl::Status BadName(absl::string_view field, absl::string_view text,
                     absl::string_view form) {
  const std::string message =
      absl::StrCat(field, " ", Quoted(text, 128), " is not of the form ", form);
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               message)
      .Violation(field, message);
}

}  // namespace

absl::StatusOr<ModelName> ParseModelName(absl::string_view field,
                                         absl::string_view text) {
  if (absl::string_view name = text; absl::ConsumePrefix(&name, kModels)) {
    if (absl::StatusOr<ModelName> model = ModelName::Parse(name); model.ok()) {
      return model;
    }
  }
  return BadName(field, text, "\"models/NAME\"");
}

absl::StatusOr<VersionName> ParseVersionName(absl::string_view field,
                                             absl::string_view text) {
  if (absl::StartsWith(text, kModels)) {
    absl::StatusOr<ModelReference> reference = ParseModelReference(text);
    if (reference.ok() && reference->version) {
      return VersionName{.model = *std::move(reference->name),
                         .version = *reference->version};
    }
  }
  return BadName(field, text, "\"models/NAME/versions/N\"");
}

absl::StatusOr<AliasName> ParseAliasName(absl::string_view field,
                                         absl::string_view text) {
  if (absl::StartsWith(text, kModels)) {
    absl::StatusOr<ModelReference> reference = ParseModelReference(text);
    if (reference.ok() && !reference->alias.empty()) {
      return AliasName{.model = *std::move(reference->name),
                       .alias = std::move(reference->alias)};
    }
  }
  return BadName(field, text, "\"models/NAME/aliases/ALIAS\"");
}

absl::StatusOr<std::string> ParseAlias(absl::string_view field,
                                       absl::string_view text) {
  if (CheckAlias(text).ok()) {
    return std::string(text);
  }
  return BadName(field, text,
                 "\"ALIAS\": lower-case letters, digits and \"._-\" between "
                 "them, at most 64 bytes");
}

}  // namespace resnetd
