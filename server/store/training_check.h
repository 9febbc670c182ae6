#pragma once

#include "absl/status/status.h"
#include "server/store/database.h"
#include "server/store/dataset_table.h"
#include "server/store/job_table.h"

namespace resnetd {

// Parts of Store::Verify(), which read every row: DATA_LOSS (STORE_CORRUPT): a
// row is damaged or missing, or the rows are not what the dataset or the job
// counts.

// That every example lies in a pack, too. OK for a deleted dataset.
absl::Status CheckDatasetRows(Database& database, const DatasetRecord& record);
absl::Status CheckJobRows(Database& database, const JobRecord& record);

}  // namespace resnetd
