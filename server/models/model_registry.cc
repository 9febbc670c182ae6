#include "server/models/model_registry.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/suggest.h"

namespace resnetd {
namespace {

constexpr absl::string_view kModels = "models/";
constexpr absl::string_view kVersions = "/versions/";

// Names in one error; more would bury the text.
constexpr std::size_t kMaxNamesInError = 20;

absl::Status BadReference(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat("model reference ", Quoted(text, 128),
                            " is not valid; the forms are \"NAME\", "
                            "\"models/NAME\" and \"models/NAME/versions/N\" "
                            "with N from 1 on"))
      .Violation("model", "not a valid model reference");
}

// Decimal digits without sign or leading zero, from 1 to 2^63 - 1.
std::optional<VersionNumber> ParseVersion(absl::string_view text) {
  const bool is_number =
      !text.empty() && text.front() != '0' &&
      text.find_first_not_of("0123456789") == absl::string_view::npos;
  VersionNumber version;
  if (!is_number || !absl::SimpleAtoi(text, &version.value)) {
    return std::nullopt;
  }
  return version;
}

absl::Status ModelNotFound(absl::string_view name,
                           const std::vector<std::string>& available) {
  std::vector<std::string> shown = available;
  if (shown.size() > kMaxNamesInError) {
    shown.resize(kMaxNamesInError);
    shown.emplace_back("...");
  }
  return Error(absl::StatusCode::kNotFound, Reason::kModelNotFound,
               absl::StrCat(
                   "model ", Quoted(name), " is not served here",
                   available.empty() ? "; no model is" : "; available: ",
                   absl::StrJoin(shown, ", "), DidYouMean(name, available)))
      .Metadata("available", absl::StrJoin(shown, ","))
      .Resource("model", absl::StrCat(kModels, name));
}

absl::Status NoModelAtAll() {
  return Error(absl::StatusCode::kNotFound, Reason::kModelNotFound,
               "the server serves no model")
      .Metadata("available", "");
}

absl::Status VersionNotFound(const ModelName& name, VersionNumber wanted,
                             VersionNumber serving) {
  return Error(absl::StatusCode::kNotFound, Reason::kVersionNotFound,
               absl::StrCat("model ", Quoted(name.text()), " has no version ",
                            wanted.value, " here; version ", serving.value,
                            " serves"))
      .Metadata("available", absl::StrCat(serving.value))
      .Resource("version", ResourceName(name, wanted));
}

}  // namespace

absl::StatusOr<ModelReference> ParseModelReference(absl::string_view text) {
  ModelReference reference;
  if (text.empty()) {
    return reference;
  }
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, kModels)) {
    if (const std::size_t at = rest.find(kVersions);
        at != absl::string_view::npos) {
      reference.version = ParseVersion(rest.substr(at + kVersions.size()));
      if (!reference.version) {
        return BadReference(text);
      }
      rest = rest.substr(0, at);
    }
  }
  if (rest.empty() || rest.find('/') != absl::string_view::npos) {
    return BadReference(text);
  }
  ASSIGN_OR_RETURN(reference.name, ModelName::Parse(rest));
  return reference;
}

std::string ResourceName(const ModelName& name) {
  return absl::StrCat(kModels, name.text());
}

std::string ResourceName(const ModelName& name, VersionNumber version) {
  return absl::StrCat(kModels, name.text(), kVersions, version.value);
}

void ModelRegistry::Serve(ModelHandle version) {
  const ModelName name = version->facts.name;
  ModelHandle previous;  // Destroyed after the lock is released.
  const MutexLock lock(mutex_);
  previous = std::exchange(serving_[name], std::move(version));
  if (!default_) {
    default_ = name;
  }
}

absl::StatusOr<ModelHandle> ModelRegistry::Acquire(
    const ModelReference& reference) const {
  ModelHandle found;
  std::vector<std::string> available;
  {
    const MutexLock lock(mutex_);
    const std::optional<ModelName>& name =
        reference.name ? reference.name : default_;
    if (const auto at = name ? serving_.find(*name) : serving_.end();
        at != serving_.end()) {
      found = at->second;
    } else {
      for (const auto& [served, handle] : serving_) {
        available.push_back(served.text());
      }
    }
  }
  if (!found) {
    return reference.name ? ModelNotFound(reference.name->text(), available)
                          : NoModelAtAll();
  }
  if (reference.version && *reference.version != found->facts.version) {
    return VersionNotFound(found->facts.name, *reference.version,
                           found->facts.version);
  }
  return found;
}

std::vector<ModelHandle> ModelRegistry::List() const {
  const MutexLock lock(mutex_);
  std::vector<ModelHandle> versions;
  versions.reserve(serving_.size());
  for (const auto& [name, version] : serving_) {
    versions.push_back(version);
  }
  return versions;
}

std::optional<ModelName> ModelRegistry::default_model() const {
  const MutexLock lock(mutex_);
  return default_;
}

}  // namespace resnetd
