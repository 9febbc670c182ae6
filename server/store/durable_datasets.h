#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"
#include "server/store/blob_store.h"
#include "server/store/connections.h"
#include "server/store/dataset_catalog.h"
#include "server/store/dataset_table.h"

namespace resnetd {

// The datasets of a store's database. Thread-safe.
class DurableDatasets final : public DatasetCatalog {
 public:
  // Both outlive it.
  DurableDatasets(Connections& db, BlobStore& blobs) : db_(db), blobs_(blobs) {}

  absl::StatusOr<DatasetRow> CreateDataset(
      const DatasetName& name, const std::vector<std::string>& labels,
      const Mutation& mutation) override;
  absl::StatusOr<DatasetRow> AppendExamples(const ExampleBatch& batch) override;
  absl::StatusOr<std::int64_t> UploadIndex(const DatasetName& dataset,
                                           absl::string_view upload) override;
  absl::StatusOr<std::optional<ExampleRow>> FindExample(
      const DatasetName& dataset, const Digest& image) override;
  absl::StatusOr<DatasetRow> SealDataset(const DatasetName& name,
                                         absl::string_view etag,
                                         const Mutation& mutation) override;
  absl::StatusOr<DatasetRow> DeleteDataset(const DatasetName& name,
                                           absl::string_view etag,
                                           const Mutation& mutation) override;

  absl::StatusOr<std::vector<DatasetRow>> ListDatasets() override;
  absl::StatusOr<DatasetRow> GetDataset(const DatasetName& name) override;
  absl::StatusOr<std::vector<ExampleRow>> ListExamples(
      const DatasetName& dataset, std::int64_t after,
      std::size_t limit) override;
  absl::StatusOr<std::vector<RejectedRow>> ListRejected(
      const DatasetName& dataset, std::int64_t after,
      std::size_t limit) override;

  absl::StatusOr<DatasetCount> Count();
  // Removes what deleted datasets still have: at most `pieces` of 10,000 rows,
  // each in a transaction of its own, so that nobody waits for a million rows.
  absl::Status RemoveRowsOfDeleted(
      int pieces = std::numeric_limits<int>::max());

 private:
  absl::StatusOr<DatasetRow> MarkDeleted(const DatasetName& name,
                                         absl::string_view etag,
                                         const Mutation& mutation);
  // Of one piece; false: there was nothing to remove.
  absl::StatusOr<bool> RemovePiece();

  Connections& db_;
  BlobStore& blobs_;
};

// Those not deleted. NOT_FOUND (DATASET_NOT_FOUND).
absl::StatusOr<DatasetRecord> ReadDataset(Database& database,
                                          const DatasetName& name);

// "datasets/NAME".
std::string ResourceOf(const DatasetName& dataset);

// NOT_FOUND (DATASET_NOT_FOUND).
absl::Status NoDataset(const DatasetName& dataset);

}  // namespace resnetd
