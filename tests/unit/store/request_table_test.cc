#include "server/store/request_table.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

class RequestTableTest : public TableTest {
 protected:
  const Mutation mutation_{
      .method = "SetAlias", .request_id = "id", .request_hash = "hash"};
  const WallTime now_{std::chrono::seconds(100)};

  void Remember() {
    Must(RememberRequest(*database_, mutation_,
                         {.resource = "models/a", .created = true}, now_));
  }
};

TEST_F(RequestTableTest, RecognisesARepetition) {
  EXPECT_FALSE(Must(FindRequest(*database_, mutation_)));
  Remember();
  const auto found = Must(FindRequest(*database_, mutation_));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->resource, "models/a");
  EXPECT_TRUE(found->created);
}

TEST_F(RequestTableTest, RefusesTheKeyOfAnotherRequest) {
  Remember();
  Mutation other = mutation_;
  other.request_hash = "other";
  EXPECT_EQ(DetailsOf(FindRequest(*database_, other).status()).reason,
            "REQUEST_ID_CONFLICT");
  EXPECT_EQ(FindRequest(*database_, other).status().code(),
            absl::StatusCode::kAlreadyExists);
  other = mutation_;
  other.method = "DeleteAlias";
  EXPECT_EQ(DetailsOf(FindRequest(*database_, other).status()).reason,
            "REQUEST_ID_CONFLICT");
  other = mutation_;
  other.request_id = "id2";
  EXPECT_FALSE(Must(FindRequest(*database_, other)));
}

TEST_F(RequestTableTest, WithoutAKeyNothingIsRemembered) {
  const Mutation nameless{.method = "SetAlias", .request_hash = "hash"};
  Must(RememberRequest(*database_, nameless, {}, now_));
  Must(RememberRequest(*database_, nameless, {}, now_));
  EXPECT_FALSE(Must(FindRequest(*database_, nameless)));
}

TEST_F(RequestTableTest, KeysExpire) {
  Remember();
  Must(ExpireRequests(*database_, now_));
  EXPECT_TRUE(Must(FindRequest(*database_, mutation_)));
  Must(ExpireRequests(*database_, now_ + std::chrono::microseconds(1)));
  EXPECT_FALSE(Must(FindRequest(*database_, mutation_)));
}

TEST_F(RequestTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change :
       {"request_id = 'x'", "method = 'x'", "request_hash = 'x'",
        "outcome = 'x'", "created = 0", "time_us = 1", "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Remember();
    EXPECT_TRUE(CheckRequestTable(*database_).ok());
    Sql("UPDATE requests SET " + change);
    EXPECT_TRUE(IsDamage(CheckRequestTable(*database_))) << change;
    Sql("ROLLBACK TO before");
  }
}

}  // namespace
}  // namespace resnetd
