#include "server/models/model_manager.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/models/alias_changes.h"
#include "server/models/change_listeners.h"
#include "server/models/model_life.h"
#include "server/models/version_import.h"
#include "server/models/version_loan.h"
#include "server/models/version_upload.h"

namespace resnetd {
namespace {

class NoSink final : public ModelMetricsSink {
 public:
  void VersionLoaded(const ServedVersion&) override {}
  void VersionUnloaded(const ModelName&, VersionNumber) override {}
  void LoadFailed(const ModelName&, const absl::Status&) override {}
  void AliasPointed(const AliasMoved&) override {}
  void AliasDeleted(const ModelName&, absl::string_view) override {}
  void IntegrityFailed(const ModelName&, VersionNumber) override {}
  void MemoryChanged(const MemoryUse&) override {}
};

class Listening final : public ModelManager::Subscription {
 public:
  explicit Listening(std::unique_ptr<ChangeListeners::Handle> handle)
      : handle_(std::move(handle)) {}

 private:
  const std::unique_ptr<ChangeListeners::Handle> handle_;
};

absl::Status VersionInUse(const VersionView& view) {
  const std::string names = absl::StrJoin(view.aliases, ",");
  const std::string resource = ResourceName(view.row.model, view.row.version);
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kVersionInUse,
               absl::StrCat(resource, " is named by ", names,
                            ": move or delete the alias first"))
      .Metadata("aliases", names)
      .Resource("version", resource);
}

absl::Status CheckEtag(const VersionRow& row, absl::string_view etag) {
  const std::string current = EtagOf(row);
  if (etag.empty() || etag == current) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kAborted, Reason::kEtagMismatch,
               absl::StrCat(ResourceName(row.model, row.version),
                            " has the etag ", Quoted(current), ", not ",
                            Quoted(etag), ": read it again"))
      .Metadata("etag", current);
}

class Manager final : public ModelManager {
 public:
  Manager(const ModelManagerOptions& options, Store& store, ModelLoader& loader,
          ModelRegistry& registry, const Clock& clock, ModelMetricsSink* sink)
      : life_(options, store, loader, registry, clock,
              sink == nullptr ? no_sink_ : *sink),
        aliases_(life_) {}
  ~Manager() override = default;

  absl::Status Start() override;

  absl::StatusOr<std::vector<ModelView>> ListModels() override {
    return life_.views.ListModels();
  }
  absl::StatusOr<ModelView> GetModel(const ModelName& model) override {
    return life_.views.GetModel(model);
  }
  absl::StatusOr<std::vector<VersionView>> ListVersions(
      const ModelName& model) override {
    return life_.views.ListVersions(model);
  }
  absl::StatusOr<VersionView> GetVersion(const ModelName& model,
                                         VersionNumber version) override {
    return life_.views.GetVersion(model, version);
  }

  absl::StatusOr<std::unique_ptr<ImportSession>> Import(
      const ImportHeader& header, const Mutation& mutation) override {
    return BeginUpload(life_, header, mutation);
  }
  absl::StatusOr<VersionView> Adopt(const NewVersion& version,
                                    const Mutation& mutation) override;
  absl::StatusOr<VersionView> DeleteVersion(const ModelName& model,
                                            VersionNumber version,
                                            absl::string_view etag,
                                            bool validate_only,
                                            const Mutation& mutation) override;

  absl::StatusOr<VersionView> Load(const ModelName& model,
                                   VersionNumber version) override;
  absl::StatusOr<VersionView> Unload(const ModelName& model,
                                     VersionNumber version) override;
  absl::StatusOr<WarmUp> WarmUpVersion(const ModelName& model,
                                       VersionNumber version) override;

  absl::StatusOr<std::unique_ptr<VersionLoan>> Borrow(
      const ModelName& model, VersionNumber version) override {
    return Lend(life_, model, version);
  }
  absl::StatusOr<Imported> Recalibrate(const ModelName& model,
                                       VersionNumber version,
                                       double temperature,
                                       const Mutation& mutation) override;

  absl::StatusOr<AliasRow> SetAlias(const AliasMove& move, bool validate_only,
                                    const Mutation& mutation) override {
    return aliases_.Set(move, std::nullopt, validate_only, mutation);
  }
  absl::StatusOr<AliasRow> Promote(const AliasMove& move,
                                   const PromotionTerms& terms,
                                   bool validate_only,
                                   const Mutation& mutation) override {
    return aliases_.Set(move, terms, validate_only, mutation);
  }
  absl::StatusOr<AliasRow> RollbackAlias(const ModelName& model,
                                         absl::string_view alias,
                                         absl::string_view etag,
                                         bool validate_only,
                                         const Mutation& mutation) override {
    return aliases_.RollBack(model, alias, etag, validate_only, mutation);
  }
  absl::Status DeleteAlias(const ModelName& model, absl::string_view alias,
                           absl::string_view etag,
                           const Mutation& mutation) override {
    return aliases_.Delete(model, alias, etag, mutation);
  }

  absl::StatusOr<std::vector<EventRow>> Events(std::int64_t after,
                                               std::size_t limit) override {
    return life_.store.ListEvents(after, limit);
  }
  absl::StatusOr<std::int64_t> LastEvent() override {
    return life_.store.LastEvent();
  }
  std::unique_ptr<Subscription> Subscribe(
      std::function<void()> listener) override {
    return std::make_unique<Listening>(
        life_.listeners.Add(std::move(listener)));
  }

  absl::StatusOr<std::unique_ptr<BlobReader>> OpenBlob(
      const Digest& digest) override {
    return life_.store.OpenBlob(digest);
  }

 private:
  NoSink no_sink_;
  ModelLife life_;
  AliasChanges aliases_;
};

absl::Status Manager::Start() {
  ASSIGN_OR_RETURN(const std::vector<ModelName> models,
                   life_.store.ListModels());
  std::vector<AliasRow> stable;
  std::vector<AliasRow> others;
  for (const ModelName& model : models) {
    ASSIGN_OR_RETURN(const std::vector<AliasRow> aliases,
                     life_.store.ListAliases(model));
    ASSIGN_OR_RETURN(const std::vector<VersionRow> rows,
                     life_.store.ListVersions(model));
    std::vector<VersionNumber> versions;
    versions.reserve(rows.size());
    for (const VersionRow& row : rows) {
      versions.push_back(row.version);
    }
    life_.table.Learn(model, versions, aliases);
    for (const AliasRow& alias : aliases) {
      (alias.alias == kStableAlias ? stable : others).push_back(alias);
    }
  }
  // What answers calls that name no alias comes first, for all models: memory
  // goes to them.
  for (const std::vector<AliasRow>* aliases : {&stable, &others}) {
    for (const AliasRow& alias : *aliases) {
      aliases_.Restore(alias);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<VersionView> Manager::Adopt(const NewVersion& version,
                                           const Mutation& mutation) {
  const ModelLife::Changing changing(life_, version.model);
  ASSIGN_OR_RETURN(const Published published,
                   life_.store.Publish(version, mutation));
  if (published.created) {
    life_.table.AddVersion(published.version.model, published.version.version);
    life_.listeners.Notify();
  }
  return life_.views.ViewOf(published.version);
}

absl::StatusOr<VersionView> Manager::DeleteVersion(const ModelName& model,
                                                   VersionNumber version,
                                                   absl::string_view etag,
                                                   bool validate_only,
                                                   const Mutation& mutation) {
  const ModelLife::Changing changing(life_, model);
  ASSIGN_OR_RETURN(const bool done, life_.WasDone(validate_only, mutation));
  if (!done) {
    ASSIGN_OR_RETURN(const VersionView view,
                     life_.views.GetVersion(model, version));
    if (!view.aliases.empty()) {
      return VersionInUse(view);
    }
    RETURN_IF_ERROR(CheckEtag(view.row, etag));
    if (validate_only) {
      return view;
    }
  }
  ASSIGN_OR_RETURN(const VersionRow row,
                   life_.store.DeleteVersion(model, version, etag, mutation));
  if (!done) {
    life_.Forget(model, version);
    life_.listeners.Notify();
  }
  return life_.views.ViewOf(row);
}

absl::StatusOr<VersionView> Manager::Load(const ModelName& model,
                                          VersionNumber version) {
  const ModelLife::Changing changing(life_, model);
  ASSIGN_OR_RETURN(const VersionRow row,
                   life_.views.CommittedRow(model, version));
  RETURN_IF_ERROR(life_.loader.MakeReady(row, true).status());
  return life_.views.ViewOf(row);
}

absl::StatusOr<VersionView> Manager::Unload(const ModelName& model,
                                            VersionNumber version) {
  const ModelLife::Changing changing(life_, model);
  ASSIGN_OR_RETURN(const VersionView view,
                   life_.views.GetVersion(model, version));
  if (!view.aliases.empty()) {
    return VersionInUse(view);
  }
  life_.loader.Unload(model, version);
  return life_.views.ViewOf(view.row);
}

absl::StatusOr<WarmUp> Manager::WarmUpVersion(const ModelName& model,
                                              VersionNumber version) {
  const ModelLife::Changing changing(life_, model);
  ASSIGN_OR_RETURN(const VersionRow row,
                   life_.views.CommittedRow(model, version));
  const ModelHandle handle = life_.table.Use(model, version, false);
  if (!handle) {
    const std::string resource = ResourceName(model, version);
    return Error(absl::StatusCode::kFailedPrecondition,
                 Reason::kVersionNotReady,
                 absl::StrCat(resource,
                              " is not loaded here: load it with LoadVersion"))
        .Resource("version", resource);
  }
  const SteadyTime started = life_.clock.Now();
  ASSIGN_OR_RETURN(const int batches, life_.loader.RunAgain(row, *handle));
  const Duration duration = life_.clock.Now() - started;
  ASSIGN_OR_RETURN(VersionView view, life_.views.ViewOf(row));
  return WarmUp{
      .version = std::move(view), .batches = batches, .duration = duration};
}

absl::StatusOr<Imported> Manager::Recalibrate(const ModelName& model,
                                              VersionNumber version,
                                              double temperature,
                                              const Mutation& mutation) {
  RETURN_IF_ERROR(CheckTemperature(temperature));
  const ModelLife::Changing changing(life_, model);
  ASSIGN_OR_RETURN(const bool done, life_.WasDone(false, mutation));
  NewVersion next{.model = model};
  if (!done) {
    ASSIGN_OR_RETURN(const VersionRow row,
                     life_.views.CommittedRow(model, version));
    ASSIGN_OR_RETURN(next, Recalibrated(row, temperature, life_.store));
  }
  ASSIGN_OR_RETURN(const Published published,
                   life_.store.Publish(next, mutation));
  if (published.created && !done) {
    life_.table.AddVersion(model, published.version.version);
    life_.listeners.Notify();
  }
  ASSIGN_OR_RETURN(VersionView view, life_.views.ViewOf(published.version));
  return Imported{.version = std::move(view), .created = published.created};
}

}  // namespace

std::unique_ptr<ModelManager> ModelManager::Create(
    const ModelManagerOptions& options, Store& store, ModelLoader& loader,
    ModelRegistry& registry, const Clock& clock, ModelMetricsSink* sink) {
  return std::make_unique<Manager>(options, store, loader, registry, clock,
                                   sink);
}

}  // namespace resnetd
