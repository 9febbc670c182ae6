#include "server/store/named_blobs.h"

#include <utility>
#include <vector>

#include "server/base/status_macros.h"
#include "server/store/checkpoint_table.h"
#include "server/store/dataset_table.h"
#include "server/store/pack_table.h"
#include "server/store/version_table.h"

namespace resnetd {

absl::StatusOr<std::set<Digest>> ReadNamedBlobs(Database& database) {
  std::set<Digest> named;
  ASSIGN_OR_RETURN(const std::vector<VersionRow> versions,
                   ListAllVersions(database));
  for (const VersionRow& row : versions) {
    if (row.state == VersionState::kCommitted) {
      for (Digest& digest : BlobsOf(row)) {
        named.insert(std::move(digest));
      }
    }
  }
  ASSIGN_OR_RETURN(const std::vector<DatasetRecord> datasets,
                   ListAllDatasets(database));
  for (const DatasetRecord& record : datasets) {
    if (record.row.state == DatasetState::kDeleted) {
      continue;
    }
    ASSIGN_OR_RETURN(std::vector<PackRow> packs,
                     ListPacks(database, record.number));
    for (PackRow& pack : packs) {
      named.insert(std::move(pack.digest));
    }
  }
  ASSIGN_OR_RETURN(const std::vector<CheckpointRow> checkpoints,
                   ReadAllCheckpoints(database));
  for (const CheckpointRow& row : checkpoints) {
    named.insert(row.blobs.begin(), row.blobs.end());
  }
  return named;
}

}  // namespace resnetd
