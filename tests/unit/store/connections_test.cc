#include "server/store/connections.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "server/base/error.h"
#include "server/store/audit.h"
#include "server/store/note_table.h"
#include "server/store/schema.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

class ConnectionsTest : public ::testing::Test {
 protected:
  ConnectionsTest() {
    auto writer = Must(Database::Open(options_, Database::Access::kReadWrite));
    Must(Migrate(*writer, Migrations()));
    auto reader = Must(Database::Open(options_, Database::Access::kReadOnly));
    db_ = std::make_unique<Connections>(options_, clock_, std::move(writer),
                                        std::move(reader));
  }
  std::string Note() {
    MutexLock lock(db_->read_mutex());
    return Must(ReadNote(db_->reader(), "k"));
  }
  std::size_t Audited() {
    MutexLock lock(db_->read_mutex());
    return Must(ReadAudit(db_->reader(), 0, 10)).size();
  }

  const TempDir folder_;
  FakeClock clock_;
  const DatabaseOptions options_{.path = folder_.File("db"), .durable = false};
  std::unique_ptr<Connections> db_;
};

TEST_F(ConnectionsTest, AChangeIsSeenAfterItsEndAndNotBefore) {
  MutexLock lock(db_->write_mutex());
  Connections::Change change = Must(db_->Begin());
  EXPECT_EQ(change.now, db_->Now());
  Must(WriteNote(change.database, "k", "v"));
  EXPECT_EQ(Note(), "");
  Must(db_->Finish(change));
  EXPECT_EQ(Note(), "v");
}

TEST_F(ConnectionsTest, AChangeThatIsNotFinishedDidNotHappen) {
  MutexLock lock(db_->write_mutex());
  {
    Connections::Change change = Must(db_->Begin());
    Must(WriteNote(change.database, "k", "v"));
  }
  Connections::Change next = Must(db_->Begin());
  EXPECT_EQ(Must(ReadNote(next.database, "k")), "");
}

TEST_F(ConnectionsTest, ARecordedChangeHasAKeyAndAnAuditRow) {
  const Mutation mutation{.method = "Do", .request_id = "r"};
  MutexLock lock(db_->write_mutex());
  for (const bool changed : {false, true}) {
    Connections::Change change = Must(db_->Begin());
    EXPECT_EQ(Must(FindRequest(change.database, mutation)).has_value(),
              changed);
    if (!changed) {
      Must(db_->RecordNothing(change, mutation, {.resource = "x"}));
    } else {
      Must(db_->Record(change, {.method = "Do"}, {.resource = "x"}, "done"));
    }
    EXPECT_EQ(Audited(), changed ? 1 : 0);
  }
}

TEST_F(ConnectionsTest, AFailedStoreBeginsNoChange) {
  EXPECT_TRUE(db_->CheckWritable().ok());
  db_->SetFailed();
  EXPECT_TRUE(db_->failed());
  EXPECT_EQ(DetailsOf(db_->CheckWritable()).reason, "STORE_FAILED");
  MutexLock lock(db_->write_mutex());
  const absl::Status refused = db_->Begin().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(DetailsOf(refused).reason, "STORE_FAILED");
}

TEST_F(ConnectionsTest, TimesAreThoseThatTheDatabaseGivesBack) {
  clock_.Advance(std::chrono::nanoseconds(1'999));
  EXPECT_EQ(db_->Now().time_since_epoch() % std::chrono::microseconds(1),
            WallTime::duration::zero());
}

}  // namespace
}  // namespace resnetd
