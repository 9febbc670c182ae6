#include "server/models/model_life.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

class ModelLifeTest : public ::testing::Test {
 protected:
  ModelLifeTest()
      : store_(Must(Store::Open({}, RealClock()))),
        life_({}, *store_, loader_, registry_, RealClock(), sink_) {}

  CountingSink sink_;
  FakeLoader loader_;
  ModelRegistry registry_;
  std::unique_ptr<Store> store_;
  ModelLife life_;
};

TEST_F(ModelLifeTest, KnowsWhatWasDone) {
  const Mutation mutation{.method = "DeleteAlias",
                          .request_id = "key-1",
                          .request_hash = std::string(64, 'a')};
  EXPECT_FALSE(Must(life_.WasDone(false, mutation)));
  const Digest blob = [&] {
    const auto writer = Must(store_->NewBlob(1));
    EXPECT_TRUE(writer->Write(BytesOf("x")).ok());
    return Must(writer->Commit());
  }();
  NewVersion version{.model = Named("digits")};
  version.weights = version.manifest = version.labels = version.golden = blob;
  version.content_key = std::string(64, 'c');
  version.source = blob;
  version.source_format = "safetensors";
  version.first_alias = "stable";
  Must(store_->Publish(version, mutation));
  EXPECT_TRUE(Must(life_.WasDone(false, mutation)));
  // What is only validated is never remembered.
  EXPECT_FALSE(Must(life_.WasDone(true, mutation)));
  EXPECT_FALSE(Must(life_.WasDone(false, {.method = "DeleteAlias"})));
  Mutation other = mutation;
  other.request_hash = std::string(64, 'b');
  EXPECT_EQ(ReasonOf(life_.WasDone(false, other).status()),
            "REQUEST_ID_CONFLICT");
  EXPECT_EQ(Must(life_.FindAlias(Named("digits"), "stable"))->generation, 1);
}

TEST_F(ModelLifeTest, FindsNoAliasWithoutAnError) {
  EXPECT_EQ(Must(life_.FindAlias(Named("digits"), "stable")), std::nullopt);
}

}  // namespace
}  // namespace resnetd
