#include "server/rpc/dataset_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/error.h"
#include "tests/support/fake_dataset_manager.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::Key;

class DatasetChangesTest : public testing::Test {
 protected:
  static v1::CreateDatasetRequest Pets() {
    v1::CreateDatasetRequest request;
    request.set_name("datasets/pets");
    request.add_labels("cat");
    request.add_labels("dog");
    return request;
  }

  FakeDatasetManager manager_;
};

TEST_F(DatasetChangesTest, MakesADataset) {
  v1::CreateDatasetRequest request = Pets();
  request.set_request_id("key");
  const auto response = CreateDataset(manager_, {}, request).value();
  EXPECT_EQ(response.dataset().name(), "datasets/pets");
  EXPECT_THAT(response.dataset().labels(), ElementsAre("cat", "dog"));
  EXPECT_EQ(manager_.last_mutation().method, "CreateDataset");
  EXPECT_EQ(manager_.last_mutation().request_id, "key");
  EXPECT_EQ(manager_.last_mutation().request_hash.size(), 64U);
}

TEST_F(DatasetChangesTest, NamesEveryWrongFieldOfANewDataset) {
  v1::CreateDatasetRequest request = Pets();
  request.set_name("pets");
  request.add_labels("cat");
  request.set_request_id(std::string(129, 'x'));
  EXPECT_THAT(
      DetailsOf(CreateDataset(manager_, {}, request).status()).violations,
      ElementsAre(Key("name"), Key("labels[2]"), Key("request_id")));
  EXPECT_EQ(manager_.calls("CreateDataset"), 0U);
}

TEST_F(DatasetChangesTest, TakesAsManyLabelsAsTheLimitAllows) {
  const RequestLimits limits{.max_dataset_labels = 2};
  EXPECT_TRUE(CreateDataset(manager_, limits, Pets()).ok());
  v1::CreateDatasetRequest request = Pets();
  request.set_name("datasets/more");
  request.add_labels("fox");
  EXPECT_EQ(DetailsOf(CreateDataset(manager_, limits, request).status()).reason,
            "LIMIT_EXCEEDED");
}

TEST_F(DatasetChangesTest, ARehearsalMakesNothing) {
  v1::CreateDatasetRequest request = Pets();
  request.set_validate_only(true);
  const auto response = CreateDataset(manager_, {}, request).value();
  EXPECT_EQ(response.dataset().name(), "datasets/pets");
  EXPECT_EQ(response.dataset().etag(), "");
  EXPECT_FALSE(response.dataset().has_create_time());
  EXPECT_EQ(manager_.calls("CreateDataset"), 0U);
  manager_.Make("pets");
  EXPECT_EQ(DetailsOf(CreateDataset(manager_, {}, request).status()).reason,
            "DATASET_EXISTS");
  manager_.Fail("GetDataset", absl::InternalError("x"));
  EXPECT_TRUE(absl::IsInternal(CreateDataset(manager_, {}, request).status()));
}

TEST_F(DatasetChangesTest, SealsWithTheEtagOfTheCaller) {
  manager_.Make("pets");
  v1::SealDatasetRequest request;
  request.set_name("datasets/pets");
  request.set_etag("d7");
  request.set_request_id("key");
  const auto response = SealDataset(manager_, {}, request).value();
  EXPECT_EQ(response.dataset().state(), v1::DATASET_STATE_SEALED);
  EXPECT_EQ(response.dataset().digest().size(), 64U);
  EXPECT_EQ(manager_.last_etag(), "d7");
  EXPECT_EQ(manager_.last_mutation().method, "SealDataset");
}

TEST_F(DatasetChangesTest, DeletesWithTheEtagOfTheCaller) {
  manager_.Make("pets");
  v1::DeleteDatasetRequest request;
  request.set_name("datasets/pets");
  request.set_etag("d7");
  const auto response = DeleteDataset(manager_, {}, request).value();
  EXPECT_EQ(response.dataset().state(), v1::DATASET_STATE_DELETED);
  EXPECT_EQ(manager_.last_etag(), "d7");
  EXPECT_TRUE(absl::IsNotFound(DeleteDataset(manager_, {}, request).status()));
}

TEST_F(DatasetChangesTest, NamesEveryWrongFieldOfAChange) {
  v1::SealDatasetRequest seal;
  seal.set_name("x");
  seal.set_request_id("\n");
  EXPECT_THAT(DetailsOf(SealDataset(manager_, {}, seal).status()).violations,
              ElementsAre(Key("name"), Key("request_id")));
  v1::DeleteDatasetRequest remove;
  remove.set_name("models/x");
  EXPECT_THAT(
      DetailsOf(DeleteDataset(manager_, {}, remove).status()).violations,
      ElementsAre(Key("name")));
}

}  // namespace
}  // namespace resnetd
