#include "server/store/page_check.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

absl::Status QuickCheck(Database& database, absl::string_view what) {
  Query query =
      database.Prepare(absl::StrCat("PRAGMA quick_check(", what, ")"));
  ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found || query.Text(0) != "ok") {
    return DamagedDatabase("its pages do not fit together");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SmallTables(Database& database) {
  Query query = database.Prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN "
      "('examples', 'rejected_examples', 'job_events', 'job_samples') ORDER BY "
      "name");
  std::vector<std::string> tables;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return tables;
    }
    tables.push_back(query.Text(0));
  }
}

}  // namespace

absl::Status CheckPages(Database& database, std::int64_t whole_bytes) {
  ASSIGN_OR_RETURN(const std::int64_t pages,
                   database.ReadInt("PRAGMA page_count"));
  ASSIGN_OR_RETURN(const std::int64_t page_bytes,
                   database.ReadInt("PRAGMA page_size"));
  if (pages * page_bytes <= whole_bytes) {
    return QuickCheck(database, "1");
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> tables,
                   SmallTables(database));
  for (const std::string& table : tables) {
    // A name of ours: the schema was compared before.
    RETURN_IF_ERROR(QuickCheck(database, table));
  }
  return absl::OkStatus();
}

}  // namespace resnetd
