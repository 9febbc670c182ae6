#include "server/models/model_manager.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/models/change_listeners.h"
#include "server/models/mutation_turns.h"
#include "server/models/resident_table.h"
#include "server/models/retention.h"
#include "server/models/version_loader.h"

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
  std::unique_ptr<ChangeListeners::Handle> handle_;
};

absl::Status VersionInUse(const VersionRow& row,
                          const std::vector<std::string>& aliases) {
  const std::string names = absl::StrJoin(aliases, ",");
  const std::string resource = ResourceName(row.model, row.version);
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kVersionInUse,
               absl::StrCat(resource, " is named by the alias ", names,
                            ": move it to another version first"))
      .Metadata("aliases", names)
      .Resource("version", resource);
}

absl::Status EtagMismatch(const VersionRow& row, absl::string_view sent) {
  const std::string current = EtagOf(row);
  return Error(absl::StatusCode::kAborted, Reason::kEtagMismatch,
               absl::StrCat(ResourceName(row.model, row.version),
                            " has the etag \"", current, "\", not \"", sent,
                            "\": read it again"))
      .Metadata("etag", current);
}

absl::Status LabelChange(const VersionRow& row, const AliasRow& alias) {
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kLabelChange,
               absl::StrCat(ResourceName(row.model, row.version),
                            " has other labels than version ",
                            alias.version.value, ", which ", alias.alias,
                            " names: set allow_label_change if callers expect "
                            "them"))
      .Resource("version", ResourceName(row.model, row.version));
}

absl::Status NoPrevious(const ModelName& model, absl::string_view alias,
                        absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition,
               Reason::kNoPreviousVersion,
               absl::StrCat(AliasResourceName(model, alias),
                            " cannot go back: ", why))
      .Resource("alias", AliasResourceName(model, alias));
}

// What a validated import would be: a version without a number.
VersionView ViewOfDraft(const VersionDraft& draft) {
  const Manifest& manifest = draft.manifest;
  VersionRow row{.model = draft.package.facts.name,
                 .version = VersionNumber{0},
                 .state = VersionState::kStaged,
                 .weights = draft.package.facts.weights_sha256,
                 .weights_bytes = draft.package.facts.weights_bytes,
                 .manifest = {},
                 .labels = *manifest.labels_sha256,
                 .golden = {},
                 .content_key = draft.content_key,
                 .source = manifest.source->sha256,
                 .source_format = manifest.source->format,
                 .parent = manifest.parent_version,
                 .created = {}};
  return {.row = std::move(row),
          .facts = std::make_shared<const VersionFacts>(draft.package.facts)};
}

class Manager final : public ModelManager {
 public:
  Manager(const ModelManagerOptions& options, Store& store, ModelLoader& loader,
          ModelRegistry& registry, const Clock& clock, ModelMetricsSink* sink)
      : options_(options),
        store_(store),
        clock_(clock),
        sink_(sink == nullptr ? no_sink_ : *sink),
        table_(registry, clock),
        views_(store, table_, registry),
        loader_({.max_batch = options.max_batch,
                 .max_model_bytes = options.max_model_bytes,
                 .keep_loaded = static_cast<std::size_t>(
                     std::max(0, options.keep_loaded))},
                store, loader, table_, sink_, clock) {}
  ~Manager() override = default;

  absl::Status Start() override;
  absl::StatusOr<std::vector<ModelView>> ListModels() override {
    return views_.ListModels();
  }
  absl::StatusOr<ModelView> GetModel(const ModelName& model) override {
    return views_.GetModel(model);
  }
  absl::StatusOr<std::vector<VersionView>> ListVersions(
      const ModelName& model) override {
    return views_.ListVersions(model);
  }
  absl::StatusOr<VersionView> GetVersion(const ModelName& model,
                                         VersionNumber version) override {
    return views_.GetVersion(model, version);
  }
  absl::StatusOr<std::unique_ptr<ImportSession>> Import(
      const ImportHeader& header, const Mutation& mutation) override;
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
  absl::StatusOr<AliasRow> SetAlias(const AliasMove& move, bool validate_only,
                                    const Mutation& mutation) override;
  absl::StatusOr<AliasRow> Promote(const AliasMove& move,
                                   bool allow_label_change, bool validate_only,
                                   const Mutation& mutation) override;
  absl::StatusOr<AliasRow> RollbackAlias(const ModelName& model,
                                         absl::string_view alias,
                                         absl::string_view etag,
                                         bool validate_only,
                                         const Mutation& mutation) override;
  absl::Status DeleteAlias(const ModelName& model, absl::string_view alias,
                           absl::string_view etag,
                           const Mutation& mutation) override;
  absl::StatusOr<std::vector<EventRow>> Events(std::int64_t after,
                                               std::size_t limit) override {
    return store_.ListEvents(after, limit);
  }
  absl::StatusOr<std::int64_t> LastEvent() override {
    return store_.LastEvent();
  }
  std::unique_ptr<Subscription> Subscribe(
      std::function<void()> listener) override {
    return std::make_unique<Listening>(listeners_.Add(std::move(listener)));
  }
  absl::StatusOr<std::unique_ptr<BlobReader>> OpenBlob(
      const Digest& digest) override {
    return store_.OpenBlob(digest);
  }

  // The end of an upload.
  absl::StatusOr<Imported> FinishImport(const ImportHeader& header,
                                        const Mutation& mutation,
                                        std::unique_ptr<BlobWriter> upload);

 private:
  // The right to change a model, and the promise that other models' loads free
  // nothing of it meanwhile.
  struct Changing {
    Changing(Manager& manager, const ModelName& model)
        : turn(manager.turns_.Take(model)), hold(manager.table_, model) {}
    MutationTurns::Turn turn;
    ResidentTable::Hold hold;
  };

  void Restore(const AliasRow& alias);
  absl::StatusOr<bool> WasDone(bool validate_only, const Mutation& mutation);
  absl::StatusOr<std::optional<AliasRow>> FindAlias(const ModelName& model,
                                                    absl::string_view alias);
  // Both within the model's turn.
  absl::StatusOr<AliasRow> MoveInTurn(const AliasMove& move,
                                      bool allow_label_change,
                                      bool validate_only,
                                      const Mutation& mutation);
  absl::StatusOr<AliasRow> MoveChecked(const AliasMove& move,
                                       bool allow_label_change,
                                       bool validate_only,
                                       const Mutation& mutation);
  void Switched(const AliasRow& alias, ModelHandle version, EventKind kind,
                SteadyTime committed);
  absl::StatusOr<Imported> Repeat(const NewVersion& version,
                                  const Mutation& mutation);
  absl::StatusOr<Imported> PublishLoaded(VersionDraft draft,
                                         VersionLoader::Loaded loaded,
                                         SteadyTime started,
                                         const Mutation& mutation);
  void RetireOld(const ModelName& model, const Mutation& mutation);

  const ModelManagerOptions options_;
  Store& store_;
  const Clock& clock_;
  NoSink no_sink_;
  ModelMetricsSink& sink_;
  ChangeListeners listeners_;
  MutationTurns turns_;
  ResidentTable table_;
  VersionViews views_;
  // Last: a thread of it tells the sink what was freed.
  VersionLoader loader_;
};

class Session final : public ImportSession {
 public:
  Session(Manager& manager, ImportHeader header, Mutation mutation,
          std::unique_ptr<BlobWriter> upload)
      : manager_(manager),
        header_(std::move(header)),
        mutation_(std::move(mutation)),
        upload_(std::move(upload)) {}

  absl::Status Write(absl::Span<const std::uint8_t> bytes) override {
    const auto more = static_cast<std::int64_t>(bytes.size());
    if (more > header_.size_bytes - upload_->size()) {
      return Error(absl::StatusCode::kInvalidArgument, Reason::kDigestMismatch,
                   absl::StrCat("more than the ", header_.size_bytes,
                                " bytes announced were sent"))
          .Metadata("expected", absl::StrCat(header_.size_bytes))
          .Metadata("actual", absl::StrCat(upload_->size() + more));
    }
    return upload_->Write(bytes);
  }

  absl::StatusOr<Imported> Finish() override {
    return manager_.FinishImport(header_, mutation_, std::move(upload_));
  }

 private:
  Manager& manager_;
  const ImportHeader header_;
  const Mutation mutation_;
  std::unique_ptr<BlobWriter> upload_;
};

absl::Status Manager::Start() {
  ASSIGN_OR_RETURN(const std::vector<ModelName> models, store_.ListModels());
  std::vector<AliasRow> others;
  for (const ModelName& model : models) {
    ASSIGN_OR_RETURN(const std::vector<AliasRow> aliases,
                     store_.ListAliases(model));
    ASSIGN_OR_RETURN(const std::vector<VersionRow> rows,
                     store_.ListVersions(model));
    std::vector<VersionNumber> versions;
    versions.reserve(rows.size());
    for (const VersionRow& row : rows) {
      versions.push_back(row.version);
    }
    table_.Learn(model, versions, aliases);
    for (const AliasRow& alias : aliases) {
      if (alias.alias == kStableAlias) {
        Restore(alias);
      } else {
        others.push_back(alias);
      }
    }
  }
  // What answers calls without an alias comes first, for all models.
  for (const AliasRow& alias : others) {
    Restore(alias);
  }
  return absl::OkStatus();
}

void Manager::Restore(const AliasRow& alias) {
  const Changing changing(*this, alias.model);
  ModelHandle version;
  const absl::StatusOr<VersionRow> row =
      views_.CommittedRow(alias.model, alias.version);
  if (row.ok()) {
    // The failure is logged, and is what calls by the alias are answered.
    version = loader_.MakeReady(*row, false).value_or(nullptr);
  } else {
    Log(LogLevel::kError, "alias names no version",
        {{"alias", AliasResourceName(alias.model, alias.alias)},
         {"error", std::string(row.status().message())}});
  }
  sink_.AliasPointed(
      {.alias = alias, .version = version.get(), .restored = true});
}

absl::StatusOr<bool> Manager::WasDone(bool validate_only,
                                      const Mutation& mutation) {
  if (validate_only || mutation.request_id.empty()) {
    return false;
  }
  ASSIGN_OR_RETURN(const std::optional<std::string> answer,
                   store_.Remembered(mutation));
  return answer.has_value();
}

absl::StatusOr<std::optional<AliasRow>> Manager::FindAlias(
    const ModelName& model, absl::string_view alias) {
  ASSIGN_OR_RETURN(const std::vector<AliasRow> aliases,
                   store_.ListAliases(model));
  const auto found =
      std::find_if(aliases.begin(), aliases.end(),
                   [&](const AliasRow& row) { return row.alias == alias; });
  return found == aliases.end() ? std::optional<AliasRow>() : *found;
}

absl::StatusOr<std::unique_ptr<ImportSession>> Manager::Import(
    const ImportHeader& header, const Mutation& mutation) {
  RETURN_IF_ERROR(CheckHeader(header, options_.max_import_bytes));
  if (header.parent) {
    RETURN_IF_ERROR(views_.CommittedRow(header.model, *header.parent).status());
  }
  // A key that is another request's is told before the bytes are sent.
  RETURN_IF_ERROR(WasDone(header.validate_only, mutation).status());
  ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> upload,
                   store_.NewBlob(header.size_bytes));
  return std::make_unique<Session>(*this, header, mutation, std::move(upload));
}

absl::StatusOr<Imported> Manager::Repeat(const NewVersion& version,
                                         const Mutation& mutation) {
  ASSIGN_OR_RETURN(const Published published,
                   store_.Publish(version, mutation));
  ASSIGN_OR_RETURN(VersionView view, views_.ViewOf(published.version));
  return Imported{.version = std::move(view), .created = published.created};
}

absl::StatusOr<Imported> Manager::FinishImport(
    const ImportHeader& header, const Mutation& mutation,
    std::unique_ptr<BlobWriter> upload) {
  const Changing changing(*this, header.model);
  const SteadyTime started = clock_.Now();
  ASSIGN_OR_RETURN(const bool done, WasDone(header.validate_only, mutation));
  if (done) {
    return Repeat({.model = header.model}, mutation);
  }
  std::optional<VersionRow> parent;
  if (header.parent) {
    ASSIGN_OR_RETURN(parent, views_.CommittedRow(header.model, *header.parent));
  }
  ASSIGN_OR_RETURN(VersionDraft draft,
                   DraftVersion(header, parent, store_, std::move(upload)));
  ASSIGN_OR_RETURN(const std::vector<VersionRow> rows,
                   store_.ListVersions(header.model));
  for (const VersionRow& row : rows) {
    if (row.content_key != draft.content_key) {
      continue;
    }
    if (header.validate_only) {
      ASSIGN_OR_RETURN(VersionView view, views_.ViewOf(row));
      return Imported{.version = std::move(view), .created = false};
    }
    return Repeat({.model = row.model,
                   .weights = row.weights,
                   .manifest = row.manifest,
                   .labels = row.labels,
                   .golden = row.golden,
                   .content_key = row.content_key,
                   .source = row.source,
                   .source_format = row.source_format,
                   .parent = row.parent,
                   .first_alias = kStableAlias},
                  mutation);
  }
  ASSIGN_OR_RETURN(VersionLoader::Loaded loaded, loader_.Try(draft.package));
  if (header.validate_only) {
    return Imported{.version = ViewOfDraft(draft), .created = true};
  }
  return PublishLoaded(std::move(draft), std::move(loaded), started, mutation);
}

absl::StatusOr<Imported> Manager::PublishLoaded(VersionDraft draft,
                                                VersionLoader::Loaded loaded,
                                                SteadyTime started,
                                                const Mutation& mutation) {
  VersionFacts facts = draft.package.facts;
  ASSIGN_OR_RETURN(
      const Published published,
      PublishDraft(std::move(draft), loaded.golden, store_, mutation));
  const SteadyTime committed = clock_.Now();
  const VersionRow& row = published.version;
  if (published.created) {
    facts.version = row.version;
    table_.AddVersion(row.model, row.version);
    const ModelHandle version =
        loader_.Adopt(std::move(loaded), std::move(facts), started);
    ASSIGN_OR_RETURN(const std::optional<AliasRow> stable,
                     FindAlias(row.model, kStableAlias));
    if (stable && stable->version == row.version) {
      Switched(*stable, version, EventKind::kAliasSet, committed);
    }
    listeners_.Notify();
    RetireOld(row.model, mutation);
    loader_.FreeIdle(row.model);
  }
  ASSIGN_OR_RETURN(VersionView view, views_.ViewOf(row));
  return Imported{.version = std::move(view), .created = published.created};
}

void Manager::RetireOld(const ModelName& model, const Mutation& mutation) {
  const auto rows = store_.ListVersions(model);
  const auto aliases = store_.ListAliases(model);
  if (!rows.ok() || !aliases.ok()) {
    return;  // The next import tries again.
  }
  for (const VersionNumber version :
       VersionsToRetire(*rows, *aliases, options_.keep_versions)) {
    const absl::Status retired =
        store_
            .DeleteVersion(model, version, "",
                           {.actor = mutation.actor, .method = "Retention"})
            .status();
    if (!retired.ok()) {
      Log(LogLevel::kWarning, "old model version could not be retired",
          {{"version", ResourceName(model, version)},
           {"error", std::string(retired.message())}});
      continue;
    }
    loader_.Unload(model, version);
    table_.RemoveVersion(model, version);
    listeners_.Notify();
  }
}

absl::StatusOr<VersionView> Manager::DeleteVersion(const ModelName& model,
                                                   VersionNumber version,
                                                   absl::string_view etag,
                                                   bool validate_only,
                                                   const Mutation& mutation) {
  const Changing changing(*this, model);
  ASSIGN_OR_RETURN(const bool done, WasDone(validate_only, mutation));
  if (!done) {
    ASSIGN_OR_RETURN(const VersionView view, views_.GetVersion(model, version));
    if (!view.aliases.empty()) {
      return VersionInUse(view.row, view.aliases);
    }
    if (!etag.empty() && etag != EtagOf(view.row)) {
      return EtagMismatch(view.row, etag);
    }
    if (validate_only) {
      return view;
    }
  }
  ASSIGN_OR_RETURN(const VersionRow row,
                   store_.DeleteVersion(model, version, etag, mutation));
  if (!done) {
    loader_.Unload(model, version);
    table_.RemoveVersion(model, version);
    listeners_.Notify();
  }
  return views_.ViewOf(row);
}

absl::StatusOr<VersionView> Manager::Load(const ModelName& model,
                                          VersionNumber version) {
  const Changing changing(*this, model);
  ASSIGN_OR_RETURN(const VersionRow row, views_.CommittedRow(model, version));
  RETURN_IF_ERROR(loader_.MakeReady(row, true).status());
  return views_.ViewOf(row);
}

absl::StatusOr<VersionView> Manager::Unload(const ModelName& model,
                                            VersionNumber version) {
  const Changing changing(*this, model);
  ASSIGN_OR_RETURN(const VersionView view, views_.GetVersion(model, version));
  if (!view.aliases.empty()) {
    return VersionInUse(view.row, view.aliases);
  }
  loader_.Unload(model, version);
  return views_.ViewOf(view.row);
}

absl::StatusOr<WarmUp> Manager::WarmUpVersion(const ModelName& model,
                                              VersionNumber version) {
  const Changing changing(*this, model);
  ASSIGN_OR_RETURN(const VersionRow row, views_.CommittedRow(model, version));
  const ModelHandle handle = table_.Use(model, version, false);
  if (!handle) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 Reason::kVersionNotReady,
                 absl::StrCat(ResourceName(model, version),
                              " is not loaded here: load it with LoadVersion"))
        .Resource("version", ResourceName(model, version));
  }
  const SteadyTime started = clock_.Now();
  ASSIGN_OR_RETURN(const int batches, loader_.RunAgain(row, *handle));
  const Duration duration = clock_.Now() - started;
  ASSIGN_OR_RETURN(VersionView view, views_.ViewOf(row));
  return WarmUp{
      .version = std::move(view), .batches = batches, .duration = duration};
}

void Manager::Switched(const AliasRow& alias, ModelHandle version,
                       EventKind kind, SteadyTime committed) {
  table_.PointAlias(alias);
  const Duration swap = clock_.Now() - committed;
  Log(LogLevel::kInfo, "alias moved",
      {{"alias", AliasResourceName(alias.model, alias.alias)},
       {"version", absl::StrCat(alias.version.value)},
       {"generation", absl::StrCat(alias.generation)}});
  sink_.AliasPointed({.alias = alias,
                      .version = version.get(),
                      .kind = kind,
                      .restored = false,
                      .swap = swap});
}

absl::StatusOr<AliasRow> Manager::MoveChecked(const AliasMove& move,
                                              bool allow_label_change,
                                              bool validate_only,
                                              const Mutation& mutation) {
  RETURN_IF_ERROR(CheckAlias(move.alias));
  const Changing changing(*this, move.model);
  ASSIGN_OR_RETURN(const bool done, WasDone(validate_only, mutation));
  if (done) {
    return store_.GetAlias(move.model, move.alias);
  }
  return MoveInTurn(move, allow_label_change, validate_only, mutation);
}

absl::StatusOr<AliasRow> Manager::MoveInTurn(const AliasMove& move,
                                             bool allow_label_change,
                                             bool validate_only,
                                             const Mutation& mutation) {
  ASSIGN_OR_RETURN(const VersionRow row,
                   views_.CommittedRow(move.model, move.to));
  // A move that is lost already is not worth loading for.
  ASSIGN_OR_RETURN(AliasRow checked, store_.CheckMove(move));
  ASSIGN_OR_RETURN(const std::optional<AliasRow> before,
                   FindAlias(move.model, move.alias));
  if (before && !allow_label_change) {
    ASSIGN_OR_RETURN(const VersionRow served,
                     store_.GetVersion(move.model, before->version));
    if (served.labels != row.labels) {
      return LabelChange(row, *before);
    }
  }
  ASSIGN_OR_RETURN(ModelHandle version, loader_.MakeReady(row, false));
  if (validate_only) {
    return checked;
  }
  ASSIGN_OR_RETURN(AliasRow moved, store_.MoveAlias(move, mutation));
  const SteadyTime committed = clock_.Now();
  if (!before || before->generation != moved.generation) {
    Switched(moved, std::move(version), move.kind, committed);
    listeners_.Notify();
    loader_.FreeIdle(move.model);
  }
  return moved;
}

absl::StatusOr<AliasRow> Manager::SetAlias(const AliasMove& move,
                                           bool validate_only,
                                           const Mutation& mutation) {
  return MoveChecked(move, true, validate_only, mutation);
}

absl::StatusOr<AliasRow> Manager::Promote(const AliasMove& move,
                                          bool allow_label_change,
                                          bool validate_only,
                                          const Mutation& mutation) {
  return MoveChecked(move, allow_label_change, validate_only, mutation);
}

absl::StatusOr<AliasRow> Manager::RollbackAlias(const ModelName& model,
                                                absl::string_view alias,
                                                absl::string_view etag,
                                                bool validate_only,
                                                const Mutation& mutation) {
  RETURN_IF_ERROR(CheckAlias(alias));
  const Changing changing(*this, model);
  ASSIGN_OR_RETURN(const bool done, WasDone(validate_only, mutation));
  ASSIGN_OR_RETURN(const AliasRow now, store_.GetAlias(model, alias));
  if (done) {
    return now;
  }
  if (!now.previous) {
    return NoPrevious(model, alias, "it never named another version");
  }
  ASSIGN_OR_RETURN(const VersionRow row,
                   store_.GetVersion(model, *now.previous));
  if (row.state != VersionState::kCommitted) {
    return NoPrevious(model, alias,
                      absl::StrCat("version ", row.version.value,
                                   ", which it named before, was deleted"));
  }
  return MoveInTurn({.model = model,
                     .alias = std::string(alias),
                     .to = *now.previous,
                     .expected_version = now.version.value,
                     .etag = std::string(etag),
                     .kind = EventKind::kAliasRolledBack},
                    true, validate_only, mutation);
}

absl::Status Manager::DeleteAlias(const ModelName& model,
                                  absl::string_view alias,
                                  absl::string_view etag,
                                  const Mutation& mutation) {
  RETURN_IF_ERROR(CheckAlias(alias));
  const Changing changing(*this, model);
  if (alias == kStableAlias) {
    return Error(absl::StatusCode::kFailedPrecondition, Reason::kVersionInUse,
                 absl::StrCat(AliasResourceName(model, alias),
                              " is the alias by which the model answers: move "
                              "it instead"))
        .Resource("alias", AliasResourceName(model, alias));
  }
  ASSIGN_OR_RETURN(const bool done, WasDone(false, mutation));
  RETURN_IF_ERROR(store_.DeleteAlias(model, alias, etag, mutation));
  if (!done) {
    table_.RemoveAlias(model, alias);
    sink_.AliasDeleted(model, alias);
    listeners_.Notify();
    loader_.FreeIdle(model);
  }
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<ModelManager> ModelManager::Create(
    const ModelManagerOptions& options, Store& store, ModelLoader& loader,
    ModelRegistry& registry, const Clock& clock, ModelMetricsSink* sink) {
  return std::make_unique<Manager>(options, store, loader, registry, clock,
                                   sink);
}

}  // namespace resnetd
