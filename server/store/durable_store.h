#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/store/blob_store.h"
#include "server/store/catalog.h"
#include "server/store/durable_datasets.h"
#include "server/store/durable_jobs.h"
#include "server/store/store.h"

namespace resnetd {

// The Store: blobs as files, everything else in the catalog. Thread-safe.
class DurableStore final : public Store {
 public:
  // Logs what the aliases name and is missing. `ground` is kept until all else
  // is closed: the lock of the folder. `clock` outlives the store.
  DurableStore(const StoreOptions& options, const Clock& clock,
               std::shared_ptr<const void> ground,
               std::unique_ptr<Catalog> catalog,
               std::shared_ptr<BlobStore> blobs);

  absl::StatusOr<std::unique_ptr<BlobWriter>> NewBlob(
      std::int64_t expected_bytes) override;
  absl::StatusOr<std::unique_ptr<BlobReader>> OpenBlob(
      const Digest& digest) override;
  absl::StatusOr<std::vector<std::uint8_t>> ReadBlob(
      const Digest& digest, std::int64_t max_bytes) override;

  absl::StatusOr<std::vector<ModelName>> ListModels() override;
  absl::StatusOr<std::vector<VersionRow>> ListVersions(
      const ModelName& model) override;
  absl::StatusOr<VersionRow> GetVersion(const ModelName& model,
                                        VersionNumber version) override;
  absl::StatusOr<std::vector<AliasRow>> ListAliases(
      const ModelName& model) override;
  absl::StatusOr<AliasRow> GetAlias(const ModelName& model,
                                    absl::string_view alias) override;
  absl::StatusOr<std::vector<EventRow>> ListEvents(std::int64_t after,
                                                   std::size_t limit) override;
  absl::StatusOr<std::int64_t> LastEvent() override;
  absl::StatusOr<std::vector<AuditRow>> ListAudit(std::int64_t after,
                                                  std::size_t limit) override;

  absl::StatusOr<Published> Publish(const NewVersion& version,
                                    const Mutation& mutation) override;
  absl::StatusOr<VersionRow> DeleteVersion(const ModelName& model,
                                           VersionNumber version,
                                           absl::string_view etag,
                                           const Mutation& mutation) override;
  absl::StatusOr<AliasRow> MoveAlias(const AliasMove& move,
                                     const Mutation& mutation) override;
  absl::StatusOr<AliasRow> CheckMove(const AliasMove& move) override;
  absl::Status DeleteAlias(const ModelName& model, absl::string_view alias,
                           absl::string_view etag,
                           const Mutation& mutation) override;
  absl::StatusOr<std::optional<std::string>> Remembered(
      const Mutation& mutation) override;

  absl::StatusOr<std::string> GetNote(absl::string_view key) override;
  absl::Status SetNote(absl::string_view key, absl::string_view value) override;

  DatasetCatalog& datasets() override { return datasets_; }
  JobCatalog& jobs() override { return jobs_; }

  absl::StatusOr<Collected> Collect() override;
  absl::StatusOr<std::vector<Finding>> Verify() override;
  absl::StatusOr<StoreStats> Stats() override;

 private:
  // What aliases name and is not there, or is of another size, is logged, and
  // a blob of another size is put aside: its version cannot be loaded, others
  // can.
  void CheckAliasBlobs();

  const StoreOptions options_;
  const Clock& clock_;
  const std::shared_ptr<const void> ground_;
  const std::unique_ptr<Catalog> catalog_;
  const std::shared_ptr<BlobStore> blobs_;
  DurableDatasets datasets_;
  DurableJobs jobs_;
};

}  // namespace resnetd
