#include "server/store/durable_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/store/blob_pins.h"
#include "server/store/collector.h"
#include "server/store/verify.h"
#include "server/store/version_table.h"

namespace resnetd {
namespace {

// Labels and golden inputs may be missing; the others may not.
std::vector<Digest> BlobsToPublish(const NewVersion& version) {
  std::vector<Digest> digests = {version.weights, version.manifest};
  for (const Digest& digest : {version.labels, version.golden}) {
    if (!digest.empty()) {
      digests.push_back(digest);
    }
  }
  return digests;
}

}  // namespace

DurableStore::DurableStore(const StoreOptions& options, const Clock& clock,
                           std::shared_ptr<const void> ground,
                           std::unique_ptr<Catalog> catalog,
                           std::shared_ptr<BlobStore> blobs)
    : options_(options),
      clock_(clock),
      ground_(std::move(ground)),
      catalog_(std::move(catalog)),
      blobs_(std::move(blobs)),
      datasets_(catalog_->connections(), *blobs_),
      jobs_(catalog_->connections(), *blobs_) {
  CheckAliasBlobs();
}

void DurableStore::CheckAliasBlobs() {
  const absl::StatusOr<std::vector<VersionRow>> rows =
      catalog_->ListAliasedVersions();
  if (!rows.ok()) {
    // The rows were read a moment ago, when the catalog was checked.
    Log(LogLevel::kError, "the store's aliases cannot be read",
        {{"error", std::string(rows.status().message())}});
    return;
  }
  for (const VersionRow& row : *rows) {
    for (const Digest& digest : BlobsOf(row)) {
      const absl::StatusOr<std::int64_t> size = blobs_->SizeOf(digest);
      if (size.ok() && (digest != row.weights || *size == row.weights_bytes)) {
        continue;
      }
      if (size.ok()) {
        blobs_->PutAside(digest).IgnoreError();  // Found again at the load.
      }
      Log(LogLevel::kError,
          size.ok() ? "a blob of the store has another size; put aside"
                    : "a blob of the store is missing",
          {{"model", row.model.text()},
           {"version", absl::StrCat(row.version.value)},
           {"digest", digest}});
    }
  }
}

absl::StatusOr<std::unique_ptr<BlobWriter>> DurableStore::NewBlob(
    std::int64_t expected_bytes) {
  RETURN_IF_ERROR(CheckWritable(catalog_->connections(), *blobs_));
  return blobs_->NewBlob(expected_bytes);
}

absl::StatusOr<std::unique_ptr<BlobReader>> DurableStore::OpenBlob(
    const Digest& digest) {
  return blobs_->OpenBlob(digest);
}

absl::StatusOr<std::vector<std::uint8_t>> DurableStore::ReadBlob(
    const Digest& digest, std::int64_t max_bytes) {
  return blobs_->ReadBlob(digest, max_bytes);
}

absl::StatusOr<std::vector<ModelName>> DurableStore::ListModels() {
  return catalog_->ListModels();
}

absl::StatusOr<std::vector<VersionRow>> DurableStore::ListVersions(
    const ModelName& model) {
  return catalog_->ListVersions(model);
}

absl::StatusOr<VersionRow> DurableStore::GetVersion(const ModelName& model,
                                                    VersionNumber version) {
  return catalog_->GetVersion(model, version);
}

absl::StatusOr<std::vector<AliasRow>> DurableStore::ListAliases(
    const ModelName& model) {
  return catalog_->ListAliases(model);
}

absl::StatusOr<AliasRow> DurableStore::GetAlias(const ModelName& model,
                                                absl::string_view alias) {
  return catalog_->GetAlias(model, alias);
}

absl::StatusOr<std::vector<EventRow>> DurableStore::ListEvents(
    std::int64_t after, std::size_t limit) {
  return catalog_->ListEvents(after, limit);
}

absl::StatusOr<std::int64_t> DurableStore::LastEvent() {
  return catalog_->LastEvent();
}

absl::StatusOr<std::vector<AuditRow>> DurableStore::ListAudit(
    std::int64_t after, std::size_t limit) {
  return catalog_->ListAudit(after, limit);
}

absl::StatusOr<Published> DurableStore::Publish(const NewVersion& version,
                                                const Mutation& mutation) {
  RETURN_IF_ERROR(CheckWritable(catalog_->connections(), *blobs_));
  // Before the blobs are looked for: since then they may have been retired and
  // collected.
  ASSIGN_OR_RETURN(std::optional<Published> repeated,
                   catalog_->RepeatedPublish(mutation));
  if (repeated) {
    return *std::move(repeated);
  }
  if (version.content_key.empty()) {
    // All without a key would be one version.
    return Error(absl::StatusCode::kInternal, Reason::kInternal,
                 "a version without a content key");
  }
  ASSIGN_OR_RETURN(const BlobPins pins,
                   BlobPins::Take(*blobs_, BlobsToPublish(version)));
  ASSIGN_OR_RETURN(
      Published published,
      catalog_->Publish(version, pins.sizes().at(version.weights), mutation));
  // Or not needed: the version was there with others.
  pins.Named(*blobs_);
  return published;
}

absl::StatusOr<VersionRow> DurableStore::DeleteVersion(
    const ModelName& model, VersionNumber version, absl::string_view etag,
    const Mutation& mutation) {
  RETURN_IF_ERROR(CheckWritable(catalog_->connections(), *blobs_));
  return catalog_->DeleteVersion(model, version, etag, mutation);
}

absl::StatusOr<AliasRow> DurableStore::MoveAlias(const AliasMove& move,
                                                 const Mutation& mutation) {
  RETURN_IF_ERROR(CheckWritable(catalog_->connections(), *blobs_));
  return catalog_->MoveAlias(move, mutation);
}

absl::StatusOr<AliasRow> DurableStore::CheckMove(const AliasMove& move) {
  return catalog_->CheckMove(move);
}

absl::Status DurableStore::DeleteAlias(const ModelName& model,
                                       absl::string_view alias,
                                       absl::string_view etag,
                                       const Mutation& mutation) {
  RETURN_IF_ERROR(CheckWritable(catalog_->connections(), *blobs_));
  return catalog_->DeleteAlias(model, alias, etag, mutation);
}

absl::StatusOr<std::optional<std::string>> DurableStore::Remembered(
    const Mutation& mutation) {
  return catalog_->Remembered(mutation);
}

absl::StatusOr<std::string> DurableStore::GetNote(absl::string_view key) {
  return catalog_->GetNote(key);
}

absl::Status DurableStore::SetNote(absl::string_view key,
                                   absl::string_view value) {
  RETURN_IF_ERROR(CheckWritable(catalog_->connections(), *blobs_));
  return catalog_->SetNote(key, value);
}

absl::StatusOr<Collected> DurableStore::Collect() {
  RETURN_IF_ERROR(CheckWritable(catalog_->connections(), *blobs_));
  ASSIGN_OR_RETURN(const Collected collected,
                   CollectGarbage(*catalog_, *blobs_, options_, clock_));
  // After it: on a full disk, which has no room for many changes of rows, blobs
  // can be removed.
  RETURN_IF_ERROR(datasets_.RemoveRowsOfDeleted());
  return collected;
}

absl::StatusOr<std::vector<Finding>> DurableStore::Verify() {
  return VerifyStore(*catalog_, *blobs_);
}

absl::StatusOr<StoreStats> DurableStore::Stats() {
  const BlobStore::Account account = blobs_->GetAccount();
  ASSIGN_OR_RETURN(const std::int64_t free, blobs_->FreeBytes());
  ASSIGN_OR_RETURN(const std::int64_t versions, catalog_->CountVersions());
  ASSIGN_OR_RETURN(const std::int64_t database, catalog_->DatabaseBytes());
  ASSIGN_OR_RETURN(const DatasetCount datasets, datasets_.Count());
  ASSIGN_OR_RETURN(const std::int64_t jobs, jobs_.Count());
  return StoreStats{.blobs = account.blobs,
                    .blob_bytes = account.bytes,
                    .database_bytes = database,
                    .free_bytes = free,
                    .versions = versions,
                    .datasets = datasets.datasets,
                    .examples = datasets.examples,
                    .jobs = jobs,
                    .integrity_failures = account.integrity_failures};
}

}  // namespace resnetd
