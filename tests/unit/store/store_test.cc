#include "server/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "server/base/error.h"
#include "server/base/sha256.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

TEST(StoreTest, KeepsWhatItAnsweredOverAnOpening) {
  const TempDir folder;
  const FakeClock clock;
  const StoreOptions options{.folder = folder.File("data")};
  Digest weights;
  {
    const auto store = Store::Open(options, clock);
    ASSERT_TRUE(store.ok()) << store.status();
    const Published published = PublishNumber(**store, "resnet", 1);
    EXPECT_TRUE(published.created);
    EXPECT_EQ(published.version.version.value, 1);
    weights = published.version.weights;
  }
  const auto store = Store::Open(options, clock);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto alias = (*store)->GetAlias(Model("resnet"), "stable");
  ASSERT_TRUE(alias.ok()) << alias.status();
  EXPECT_EQ(alias->version.value, 1);
  EXPECT_TRUE((*store)->ReadBlob(weights, 1000).ok());
  const auto findings = (*store)->Verify();
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_TRUE(findings->empty()) << findings->front().text;
}

TEST(StoreTest, ATemporaryOneLeavesNothing) {
  const FakeClock clock;
  const auto store = Store::Open({}, clock);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE(PublishNumber(**store, "resnet", 1).created);
}

TEST(StoreTest, GivesBackWhatIsWrittenAndNotYetABlob) {
  const auto store = Must(Store::Open({}, RealClock()));
  const auto writer = Must(store->NewBlob(100));
  Must(writer->Write(BytesOf("some ")));
  Must(writer->Write(BytesOf("bytes")));
  // Not while they may still change.
  EXPECT_FALSE(writer->ReadBack().ok());
  const Digest digest = writer->Digested();
  for (int i = 0; i < 2; ++i) {
    const std::vector<std::uint8_t> bytes = Must(writer->ReadBack());
    EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "some bytes");
  }
  EXPECT_FALSE(store->OpenBlob(digest).ok());
  EXPECT_EQ(Must(writer->Commit()), digest);
  EXPECT_FALSE(writer->ReadBack().ok());
}

}  // namespace
}  // namespace resnetd
