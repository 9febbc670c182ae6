#include "server/models/version_views.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/suggest.h"
#include "server/models/stored_version.h"

namespace resnetd {
namespace {

// Facts that are remembered: of ImageNet's 1000 labels, some 40 MB. Beyond, all
// are forgotten and read again when asked for.
constexpr std::size_t kMaxFacts = 1024;

// Names in one error; more would bury the text.
constexpr std::size_t kMaxNamesInError = 20;

}  // namespace

absl::Status VersionViews::ModelNotFound(const ModelName& model) {
  ASSIGN_OR_RETURN(const std::vector<ModelName> models, store_.ListModels());
  std::vector<std::string> names;
  names.reserve(models.size());
  for (const ModelName& known : models) {
    names.push_back(known.text());
  }
  const std::string nearest = DidYouMean(model.text(), names);
  if (names.size() > kMaxNamesInError) {
    names.resize(kMaxNamesInError);
    names.emplace_back("...");
  }
  return Error(absl::StatusCode::kNotFound, Reason::kModelNotFound,
               absl::StrCat("there is no model ", Quoted(model.text()),
                            names.empty() ? "; there is none" : "; there are ",
                            absl::StrJoin(names, ", "), nearest))
      .Metadata("available", absl::StrJoin(names, ","))
      .Resource("model", ResourceName(model));
}

absl::StatusOr<VersionViews::Facts> VersionViews::FactsOf(
    const VersionRow& row) {
  const Key key(row.model, row.version);
  {
    const MutexLock lock(mutex_);
    if (const auto known = facts_.find(key); known != facts_.end()) {
      return known->second;
    }
  }
  ASSIGN_OR_RETURN(VersionFacts read, ReadStoredFacts(store_, row));
  auto facts = std::make_shared<const VersionFacts>(std::move(read));
  const MutexLock lock(mutex_);
  if (facts_.size() >= kMaxFacts) {
    facts_.clear();
  }
  facts_[key] = facts;
  return facts;
}

VersionView VersionViews::ViewOf(const VersionRow& row,
                                 const std::vector<AliasRow>& aliases) {
  VersionView view{.row = row};
  for (const AliasRow& alias : aliases) {
    if (alias.version == row.version) {
      view.aliases.push_back(alias.alias);
    }
  }
  const VersionStatus status = residents_.StatusOf(row.model, row.version);
  view.residency = status.residency;
  view.failure = status.failure;
  if (status.handle) {
    view.precision = status.handle->model->precision();
    view.precision_choice = status.handle->model->precision_choice();
    view.backend = status.handle->model->backend();
    view.resident_bytes = status.handle->model->resident_bytes();
    view.load_time = status.handle->load_time;
  }
  absl::StatusOr<Facts> facts = FactsOf(row);
  if (facts.ok()) {
    view.facts = *std::move(facts);
    return view;
  }
  view.facts = std::make_shared<const VersionFacts>(FactsOfRow(row));
  if (view.residency == Residency::kUnloaded) {
    view.residency = Residency::kFailed;
    view.failure = facts.status();
  }
  return view;
}

absl::StatusOr<VersionView> VersionViews::ViewOf(const VersionRow& row) {
  ASSIGN_OR_RETURN(const std::vector<AliasRow> aliases,
                   store_.ListAliases(row.model));
  return ViewOf(row, aliases);
}

absl::StatusOr<VersionRow> VersionViews::CommittedRow(const ModelName& model,
                                                      VersionNumber version) {
  ASSIGN_OR_RETURN(VersionRow row, store_.GetVersion(model, version));
  if (row.state == VersionState::kCommitted) {
    return row;
  }
  return Error(absl::StatusCode::kNotFound, Reason::kVersionNotFound,
               absl::StrCat(ResourceName(model, version), " was deleted"))
      .Resource("version", ResourceName(model, version));
}

absl::StatusOr<VersionView> VersionViews::GetVersion(const ModelName& model,
                                                     VersionNumber version) {
  ASSIGN_OR_RETURN(const VersionRow row, CommittedRow(model, version));
  return ViewOf(row);
}

absl::StatusOr<std::vector<VersionView>> VersionViews::ListVersions(
    const ModelName& model) {
  ASSIGN_OR_RETURN(const std::vector<VersionRow> rows,
                   store_.ListVersions(model));
  if (rows.empty()) {
    return ModelNotFound(model);
  }
  ASSIGN_OR_RETURN(const std::vector<AliasRow> aliases,
                   store_.ListAliases(model));
  std::vector<VersionView> views;
  views.reserve(rows.size());
  for (const VersionRow& row : rows) {
    views.push_back(ViewOf(row, aliases));
  }
  return views;
}

absl::StatusOr<ModelView> VersionViews::GetModel(const ModelName& model) {
  ASSIGN_OR_RETURN(std::vector<AliasRow> aliases, store_.ListAliases(model));
  const auto stable = std::find_if(
      aliases.begin(), aliases.end(),
      [](const AliasRow& alias) { return alias.alias == kStableAlias; });
  ModelView view{.name = model,
                 .serving = std::nullopt,
                 .is_default = registry_.default_model() == model};
  if (stable != aliases.end()) {
    ASSIGN_OR_RETURN(const VersionRow row,
                     store_.GetVersion(model, stable->version));
    view.serving = ViewOf(row, aliases);
  } else {
    ASSIGN_OR_RETURN(const std::vector<VersionRow> rows,
                     store_.ListVersions(model));
    if (rows.empty()) {
      return ModelNotFound(model);
    }
  }
  view.aliases = std::move(aliases);
  return view;
}

absl::StatusOr<std::vector<ModelView>> VersionViews::ListModels() {
  ASSIGN_OR_RETURN(const std::vector<ModelName> names, store_.ListModels());
  std::vector<ModelView> models;
  models.reserve(names.size());
  for (const ModelName& name : names) {
    ASSIGN_OR_RETURN(ModelView view, GetModel(name));
    models.push_back(std::move(view));
  }
  return models;
}

}  // namespace resnetd
