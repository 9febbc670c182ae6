#include "server/models/version_upload.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/models/model_registry.h"
#include "server/models/retention.h"

namespace resnetd {
namespace {

// What a validated import would be: a version without a number.
VersionView ViewOfDraft(const VersionDraft& draft) {
  const VersionFacts& facts = draft.package.facts;
  const Manifest& manifest = draft.manifest;
  VersionRow row{.model = facts.name,
                 .version = facts.version,
                 .state = VersionState::kStaged,
                 .weights = facts.weights_sha256,
                 .weights_bytes = facts.weights_bytes,
                 .manifest = {},
                 .labels = *manifest.labels_sha256,
                 .golden = {},
                 .content_key = draft.content_key,
                 .source = manifest.source->sha256,
                 .source_format = manifest.source->format,
                 .parent = manifest.parent_version,
                 .created = {}};
  return {.row = std::move(row),
          .facts = std::make_shared<const VersionFacts>(facts)};
}

// What Store::Publish() is asked when `row` is what would be published.
NewVersion SameAs(const VersionRow& row) {
  return {.model = row.model,
          .weights = row.weights,
          .manifest = row.manifest,
          .labels = row.labels,
          .golden = row.golden,
          .content_key = row.content_key,
          .source = row.source,
          .source_format = row.source_format,
          .parent = row.parent,
          .first_alias = kStableAlias};
}

class Upload final : public ImportSession {
 public:
  Upload(ModelLife& life, const ImportHeader& header, const Mutation& mutation,
         std::unique_ptr<BlobWriter> file)
      : life_(life),
        header_(header),
        mutation_(mutation),
        file_(std::move(file)) {}
  ~Upload() override {
    if (!is_finished_) {
      life_.sink.ImportEnded(absl::CancelledError(), received_);
    }
  }

  absl::Status Write(absl::Span<const std::uint8_t> bytes) override;
  absl::StatusOr<Imported> Finish() override {
    is_finished_ = true;
    absl::StatusOr<Imported> imported = Import();
    life_.sink.ImportEnded(imported.status(), received_);
    return imported;
  }

 private:
  absl::StatusOr<Imported> Import();
  absl::StatusOr<Imported> Answer(const NewVersion& version);
  absl::StatusOr<Imported> TriedAgain(Imported imported);
  absl::StatusOr<std::optional<VersionRow>> FindContent(
      const std::string& content_key);
  absl::StatusOr<Imported> Publish(VersionDraft draft,
                                   VersionLoader::Loaded loaded,
                                   SteadyTime started);
  absl::Status MakeKnown(const VersionRow& row, VersionLoader::Loaded loaded,
                         VersionFacts facts, SteadyTime started,
                         SteadyTime committed);
  void RetireOld();

  ModelLife& life_;
  const ImportHeader header_;
  const Mutation mutation_;
  // Null after Finish().
  std::unique_ptr<BlobWriter> file_;
  std::int64_t received_ = 0;
  bool is_finished_ = false;
};

absl::Status Upload::Write(absl::Span<const std::uint8_t> bytes) {
  const std::int64_t size =
      file_->size() + static_cast<std::int64_t>(bytes.size());
  if (size > header_.size_bytes) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kDigestMismatch,
                 absl::StrCat("more than the ", header_.size_bytes,
                              " bytes announced were sent"))
        .Metadata("expected", absl::StrCat(header_.size_bytes))
        .Metadata("actual", absl::StrCat(size));
  }
  RETURN_IF_ERROR(file_->Write(bytes));
  received_ = size;
  return absl::OkStatus();
}

absl::StatusOr<Imported> Upload::Import() {
  const ModelLife::Changing changing(life_, header_.model);
  const SteadyTime started = life_.clock.Now();
  ASSIGN_OR_RETURN(const bool done,
                   life_.WasDone(header_.validate_only, mutation_));
  if (done) {
    return Answer({.model = header_.model});
  }
  std::optional<VersionRow> parent;
  if (header_.parent) {
    ASSIGN_OR_RETURN(parent,
                     life_.views.CommittedRow(header_.model, *header_.parent));
  }
  ASSIGN_OR_RETURN(
      VersionDraft draft,
      DraftVersion(header_, parent, life_.store, std::move(file_)));
  ASSIGN_OR_RETURN(const std::optional<VersionRow> same,
                   FindContent(draft.content_key));
  if (same && header_.validate_only) {
    ASSIGN_OR_RETURN(VersionView view, life_.views.ViewOf(*same));
    return Imported{.version = std::move(view), .created = false};
  }
  if (same) {
    RETURN_IF_ERROR(RestoreBlobs(std::move(draft), *same, life_.store));
    ASSIGN_OR_RETURN(Imported answer, Answer(SameAs(*same)));
    return TriedAgain(std::move(answer));
  }
  ASSIGN_OR_RETURN(VersionLoader::Loaded loaded,
                   life_.loader.Try(draft.package));
  if (header_.validate_only) {
    return Imported{.version = ViewOfDraft(draft), .created = true};
  }
  return Publish(std::move(draft), std::move(loaded), started);
}

// The store knows the answer; it books the request and gives the version.
absl::StatusOr<Imported> Upload::Answer(const NewVersion& version) {
  ASSIGN_OR_RETURN(const Published published,
                   life_.store.Publish(version, mutation_));
  ASSIGN_OR_RETURN(VersionView view, life_.views.ViewOf(published.version));
  return Imported{.version = std::move(view), .created = published.created};
}

// Who imports a version again that an alias names and that could not be loaded
// repairs it.
absl::StatusOr<Imported> Upload::TriedAgain(Imported imported) {
  const VersionRow row = imported.version.row;
  if (imported.version.residency != Residency::kFailed ||
      imported.version.aliases.empty()) {
    return imported;
  }
  RETURN_IF_ERROR(life_.loader.MakeReady(row, false).status());
  ASSIGN_OR_RETURN(imported.version, life_.views.ViewOf(row));
  return imported;
}

absl::StatusOr<std::optional<VersionRow>> Upload::FindContent(
    const std::string& content_key) {
  ASSIGN_OR_RETURN(std::vector<VersionRow> rows,
                   life_.store.ListVersions(header_.model));
  for (VersionRow& row : rows) {
    if (row.content_key == content_key) {
      return std::optional<VersionRow>(std::move(row));
    }
  }
  return std::optional<VersionRow>();
}

absl::StatusOr<Imported> Upload::Publish(VersionDraft draft,
                                         VersionLoader::Loaded loaded,
                                         SteadyTime started) {
  VersionFacts facts = draft.package.facts;
  ASSIGN_OR_RETURN(
      const Published published,
      PublishDraft(std::move(draft), loaded.golden, life_.store, mutation_));
  if (published.created) {
    RETURN_IF_ERROR(MakeKnown(published.version, std::move(loaded),
                              std::move(facts), started, life_.clock.Now()));
    RetireOld();
    life_.loader.FreeIdle(header_.model);
  }
  ASSIGN_OR_RETURN(VersionView view, life_.views.ViewOf(published.version));
  return Imported{.version = std::move(view), .created = published.created};
}

absl::Status Upload::MakeKnown(const VersionRow& row,
                               VersionLoader::Loaded loaded, VersionFacts facts,
                               SteadyTime started, SteadyTime committed) {
  facts.version = row.version;
  life_.table.AddVersion(row.model, row.version);
  const ModelHandle version =
      life_.loader.Adopt(std::move(loaded), std::move(facts), started);
  ASSIGN_OR_RETURN(const std::optional<AliasRow> stable,
                   life_.FindAlias(row.model, kStableAlias));
  if (stable && stable->version == row.version) {
    life_.Switch(*stable, *version, EventKind::kAliasSet, committed);
  }
  life_.listeners.Notify();
  return absl::OkStatus();
}

void Upload::RetireOld() {
  const ModelName& model = header_.model;
  const auto rows = life_.store.ListVersions(model);
  const auto aliases = life_.store.ListAliases(model);
  if (!rows.ok() || !aliases.ok()) {
    return;  // The next import tries again.
  }
  for (const VersionNumber version :
       VersionsToRetire(*rows, *aliases, life_.options.keep_versions)) {
    const absl::Status retired =
        life_.store
            .DeleteVersion(model, version, "",
                           {.actor = mutation_.actor, .method = "Retention"})
            .status();
    if (!retired.ok()) {
      Log(LogLevel::kWarning, "old model version could not be retired",
          {{"version", ResourceName(model, version)},
           {"error", std::string(retired.message())}});
      continue;
    }
    life_.Forget(model, version);
    life_.listeners.Notify();
  }
}

absl::StatusOr<std::unique_ptr<ImportSession>> Begin(ModelLife& life,
                                                     const ImportHeader& header,
                                                     const Mutation& mutation) {
  RETURN_IF_ERROR(CheckHeader(header, life.options.max_import_bytes));
  if (header.parent) {
    RETURN_IF_ERROR(
        life.views.CommittedRow(header.model, *header.parent).status());
  }
  // A key that is another request's is told before the bytes are sent.
  RETURN_IF_ERROR(life.WasDone(header.validate_only, mutation).status());
  ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> file,
                   life.store.NewBlob(header.size_bytes));
  return std::make_unique<Upload>(life, header, mutation, std::move(file));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ImportSession>> BeginUpload(
    ModelLife& life, const ImportHeader& header, const Mutation& mutation) {
  absl::StatusOr<std::unique_ptr<ImportSession>> session =
      Begin(life, header, mutation);
  if (!session.ok()) {
    life.sink.ImportEnded(session.status(), 0);
  }
  return session;
}

}  // namespace resnetd
