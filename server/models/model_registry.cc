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
constexpr absl::string_view kAliases = "/aliases/";

// Names in one error; more would bury the text.
constexpr std::size_t kMaxNamesInError = 20;

absl::Status BadReference(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat("model reference ", Quoted(text, 128),
                            " is not valid; the forms are \"NAME\", "
                            "\"models/NAME\", \"models/NAME/versions/N\" "
                            "with N from 1 on, and "
                            "\"models/NAME/aliases/ALIAS\""))
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

// The first names of `all`, and "..." for the others.
std::vector<std::string> Shown(std::vector<std::string> all) {
  if (all.size() > kMaxNamesInError) {
    all.resize(kMaxNamesInError);
    all.emplace_back("...");
  }
  return all;
}

absl::Status ModelNotFound(absl::string_view name,
                           const std::vector<std::string>& available) {
  const std::vector<std::string> shown = Shown(available);
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

absl::Status AliasNotFound(const ModelName& name, absl::string_view wanted,
                           const RegisteredModel& model) {
  std::vector<std::string> aliases;
  for (const auto& [alias, version] : model.aliases) {
    aliases.push_back(alias);
  }
  const std::vector<std::string> shown = Shown(aliases);
  return Error(absl::StatusCode::kNotFound, Reason::kAliasNotFound,
               absl::StrCat("model ", Quoted(name.text()), " has no alias ",
                            Quoted(wanted),
                            aliases.empty() ? "; it has none" : "; it has ",
                            absl::StrJoin(shown, ", "),
                            DidYouMean(wanted, aliases)))
      .Metadata("available", absl::StrJoin(shown, ","))
      .Resource("alias", AliasResourceName(name, wanted));
}

// "; version 3 serves" where one does.
std::string WhoServes(const RegisteredModel& model) {
  const auto stable = model.aliases.find(kStableAlias);
  return stable == model.aliases.end()
             ? ""
             : absl::StrCat("; version ", stable->second.value, " serves");
}

absl::Status VersionNotFound(const ModelName& name, VersionNumber wanted,
                             const RegisteredModel& model) {
  std::vector<std::string> loaded;
  for (const auto& [number, version] : model.versions) {
    if (version.handle) {
      loaded.push_back(absl::StrCat(number.value));
    }
  }
  return Error(absl::StatusCode::kNotFound, Reason::kVersionNotFound,
               absl::StrCat("model ", Quoted(name.text()), " has no version ",
                            wanted.value, " here", WhoServes(model)))
      .Metadata("available", absl::StrJoin(Shown(std::move(loaded)), ","))
      .Resource("version", ResourceName(name, wanted));
}

absl::Status NotLoaded(const ModelName& name, VersionNumber version,
                       const absl::Status& failure) {
  const std::string resource = ResourceName(name, version);
  if (!failure.ok()) {
    return Error(absl::StatusCode::kFailedPrecondition, Reason::kVersionFailed,
                 absl::StrCat(resource, " could not be loaded: ",
                              std::string(failure.message())))
        .Metadata("cause", DetailsOf(failure).reason)
        .Resource("version", resource);
  }
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kVersionNotReady,
               absl::StrCat(resource,
                            " is not loaded here: load it with LoadVersion, "
                            "or move an alias to it"))
      .Resource("version", resource);
}

// Splits "NAME<separator>REST" of `text`; absent when it has no separator.
std::optional<absl::string_view> TakeBehind(absl::string_view separator,
                                            absl::string_view& text) {
  const std::size_t at = text.find(separator);
  if (at == absl::string_view::npos) {
    return std::nullopt;
  }
  const absl::string_view rest = text.substr(at + separator.size());
  text = text.substr(0, at);
  return rest;
}

absl::StatusOr<ModelHandle> Find(const ModelName& name,
                                 const ModelReference& reference,
                                 const RegisteredModel& model) {
  VersionNumber number;
  if (reference.version) {
    number = *reference.version;
  } else {
    const std::string alias = AliasOf(reference);
    const auto named = model.aliases.find(alias);
    if (named == model.aliases.end()) {
      return AliasNotFound(name, alias, model);
    }
    number = named->second;
  }
  const auto version = model.versions.find(number);
  if (version == model.versions.end()) {
    return VersionNotFound(name, number, model);
  }
  if (!version->second.handle) {
    return NotLoaded(name, number, version->second.failure);
  }
  return version->second.handle;
}

}  // namespace

absl::StatusOr<ModelReference> ParseModelReference(absl::string_view text) {
  ModelReference reference;
  if (text.empty()) {
    return reference;
  }
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, kModels)) {
    if (const auto number = TakeBehind(kVersions, rest)) {
      reference.version = ParseVersion(*number);
      if (!reference.version) {
        return BadReference(text);
      }
    } else if (const auto alias = TakeBehind(kAliases, rest)) {
      if (!CheckAlias(*alias).ok()) {
        return BadReference(text);
      }
      reference.alias = std::string(*alias);
    }
  }
  if (rest.empty() || rest.find('/') != absl::string_view::npos) {
    return BadReference(text);
  }
  ASSIGN_OR_RETURN(reference.name, ModelName::Parse(rest));
  return reference;
}

std::string AliasOf(const ModelReference& reference) {
  if (reference.version) {
    return "";
  }
  return reference.alias.empty() ? kStableAlias : reference.alias;
}

absl::Status CheckAlias(absl::string_view alias) {
  if (ModelName::Parse(alias).ok()) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat("alias ", Quoted(alias),
                            " is not valid: 1 to 64 of a-z 0-9 . _ - with a "
                            "letter or digit at both ends and no \"..\""))
      .Violation("alias", "not a valid alias");
}

std::string ResourceName(const ModelName& name) {
  return absl::StrCat(kModels, name.text());
}

std::string ResourceName(const ModelName& name, VersionNumber version) {
  return absl::StrCat(kModels, name.text(), kVersions, version.value);
}

std::string AliasResourceName(const ModelName& name, absl::string_view alias) {
  return absl::StrCat(kModels, name.text(), kAliases, alias);
}

void ModelRegistry::Publish(const ModelName& name, RegisteredModel model) {
  // What it holds when the lock is released is destroyed after that.
  auto snapshot = std::make_shared<const RegisteredModel>(std::move(model));
  const MutexLock lock(mutex_);
  Snapshot& published = models_[name];
  if (!published || published->revision <= snapshot->revision) {
    published.swap(snapshot);
  }
  if (!default_) {
    default_ = name;
  }
}

void ModelRegistry::Serve(ModelHandle version) {
  const ModelName name = version->facts.name;
  const VersionNumber number = version->facts.version;
  RegisteredModel model;
  model.versions[number].handle = std::move(version);
  model.aliases[kStableAlias] = number;
  Publish(name, std::move(model));
}

void ModelRegistry::SetDefault(const ModelName& name) {
  const MutexLock lock(mutex_);
  default_ = name;
}

absl::StatusOr<ModelHandle> ModelRegistry::Acquire(
    const ModelReference& reference) const {
  Snapshot model;
  std::optional<ModelName> name;
  std::vector<std::string> available;
  {
    const MutexLock lock(mutex_);
    name = reference.name ? reference.name : default_;
    if (const auto at = name ? models_.find(*name) : models_.end();
        at != models_.end()) {
      model = at->second;
    } else {
      for (const auto& [known, snapshot] : models_) {
        available.push_back(known.text());
      }
    }
  }
  if (!model) {
    return name ? ModelNotFound(name->text(), available) : NoModelAtAll();
  }
  return Find(*name, reference, *model);
}

std::vector<ModelRegistry::Snapshot> ModelRegistry::Snapshots() const {
  const MutexLock lock(mutex_);
  std::vector<Snapshot> snapshots;
  snapshots.reserve(models_.size());
  for (const auto& [name, snapshot] : models_) {
    snapshots.push_back(snapshot);
  }
  return snapshots;
}

std::vector<ModelHandle> ModelRegistry::List() const {
  std::vector<ModelHandle> versions;
  for (const Snapshot& model : Snapshots()) {
    const auto stable = model->aliases.find(kStableAlias);
    if (stable == model->aliases.end()) {
      continue;
    }
    if (const auto version = model->versions.find(stable->second);
        version != model->versions.end() && version->second.handle) {
      versions.push_back(version->second.handle);
    }
  }
  return versions;
}

std::optional<ModelName> ModelRegistry::default_model() const {
  const MutexLock lock(mutex_);
  return default_;
}

}  // namespace resnetd
