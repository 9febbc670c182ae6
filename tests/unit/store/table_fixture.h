#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "server/store/database.h"
#include "server/store/schema.h"
#include "server/store/version_table.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {

// An empty database with all tables, in memory.
class TableTest : public ::testing::Test {
 protected:
  TableTest() { Must(Migrate(*database_, Migrations())); }

  // A version that needs nothing else.
  static VersionRow Row(absl::string_view model, std::int64_t version) {
    return {.model = Model(model),
            .version = VersionNumber{version},
            .state = VersionState::kCommitted,
            .weights = std::string(64, 'a'),
            .weights_bytes = 10 * version,
            .manifest = std::string(64, 'b'),
            .labels = std::string(64, 'c'),
            .golden = "",
            .content_key = absl::StrCat("key", version),
            .source = std::string(64, 'e'),
            .source_format = "pth",
            .parent = std::nullopt,
            .created = WallTime(std::chrono::microseconds(1000 + version))};
  }
  // Adds the next version of a model.
  VersionRow Add(absl::string_view model) {
    const VersionNumber number =
        Must(TakeVersionNumber(*database_, Model(model)));
    VersionRow row = Row(model, number.value);
    Must(InsertVersion(*database_, row));
    return row;
  }
  void Sql(absl::string_view sql) { Must(database_->Execute(sql)); }

  const std::unique_ptr<Database> database_ = Must(Database::OpenEmpty());
};

// What a table says of a row that was changed behind its back.
inline bool IsDamage(const absl::Status& status) {
  return status.code() == absl::StatusCode::kDataLoss &&
         DetailsOf(status).reason == "STORE_CORRUPT";
}

}  // namespace resnetd
