#include "server/rpc/resource_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/error.h"

namespace resnetd {
namespace {

using testing::HasSubstr;

// Names that no kind of resource has.
const char* const kNoNames[] = {
    "",           "net",        "models/",   "models//",     "/models/a",
    "models/a/",  "models/A",   "Models/a",  "models/..",    "models/a..b",
    "models/a b", "models/a\n", "models/.a", "models/a%2fb", "models/a/b"};

TEST(ResourceNameTest, ReadsModels) {
  EXPECT_EQ(ParseModelName("name", "models/net-1.x_y").value().text(),
            "net-1.x_y");
  const std::string longest = std::string(64, 'a');
  EXPECT_TRUE(ParseModelName("name", "models/" + longest).ok());
  EXPECT_FALSE(ParseModelName("name", "models/" + longest + "a").ok());
  for (const char* name : kNoNames) {
    EXPECT_FALSE(ParseModelName("name", name).ok()) << name;
  }
  EXPECT_FALSE(ParseModelName("name", "models/a/versions/1").ok());
  EXPECT_FALSE(ParseModelName("name", "models/a/aliases/b").ok());
}

TEST(ResourceNameTest, ReadsAndWritesDatasets) {
  const DatasetName name =
      ParseDatasetName("name", "datasets/pets-1.x_y").value();
  EXPECT_EQ(name.text(), "pets-1.x_y");
  EXPECT_EQ(ResourceName(name), "datasets/pets-1.x_y");
  const std::string longest = std::string(64, 'a');
  EXPECT_TRUE(ParseDatasetName("name", "datasets/" + longest).ok());
  EXPECT_FALSE(ParseDatasetName("name", "datasets/" + longest + "a").ok());
  for (const char* text : {"", "pets", "datasets/", "models/pets",
                           "datasets/Pets", "datasets/a/b", "datasets/a..b"}) {
    EXPECT_FALSE(ParseDatasetName("name", text).ok()) << text;
  }
}

TEST(ResourceNameTest, ReadsVersions) {
  const VersionName name =
      ParseVersionName("name", "models/net/versions/9223372036854775807")
          .value();
  EXPECT_EQ(name.model.text(), "net");
  EXPECT_EQ(name.version.value, 9'223'372'036'854'775'807);
  for (const char* text : kNoNames) {
    EXPECT_FALSE(ParseVersionName("name", text).ok()) << text;
  }
  for (const char* text :
       {"models/a", "net/versions/1", "models/a/versions/",
        "models/a/versions/0", "models/a/versions/01", "models/a/versions/-1",
        "models/a/versions/+1", "models/a/versions/1 ",
        "models/a/versions/9223372036854775808", "models/a/versions/1/x",
        "models/a/aliases/b", "models/a/versions/x"}) {
    EXPECT_FALSE(ParseVersionName("name", text).ok()) << text;
  }
}

TEST(ResourceNameTest, ReadsAliases) {
  const AliasName name =
      ParseAliasName("name", "models/net/aliases/stable").value();
  EXPECT_EQ(name.model.text(), "net");
  EXPECT_EQ(name.alias, "stable");
  EXPECT_TRUE(
      ParseAliasName("name", "models/a/aliases/" + std::string(64, 'a')).ok());
  EXPECT_FALSE(
      ParseAliasName("name", "models/a/aliases/" + std::string(65, 'a')).ok());
  for (const char* text : kNoNames) {
    EXPECT_FALSE(ParseAliasName("name", text).ok()) << text;
  }
  for (const char* text :
       {"models/a", "net/aliases/b", "models/a/aliases/", "models//aliases/b",
        "models/a/aliases/B", "models/a/aliases/b/c", "models/aliases/b",
        "models/a/aliases/b/aliases/c", "models/a/versions/1",
        "models/a/aliases/.."}) {
    EXPECT_FALSE(ParseAliasName("name", text).ok()) << text;
  }
}

TEST(ResourceNameTest, ReadsAnAliasAlone) {
  EXPECT_EQ(ParseAlias("alias", "canary-2").value(), "canary-2");
  for (const char* text : {"", "A", "a/b", "models/a/aliases/b", ".."}) {
    EXPECT_FALSE(ParseAlias("alias", text).ok()) << text;
  }
}

TEST(ResourceNameTest, ReadsDatasets) {
  const DatasetName name =
      ParseDatasetName("name", "datasets/photos-2").value();
  EXPECT_EQ(name.text(), "photos-2");
  EXPECT_EQ(ResourceName(name), "datasets/photos-2");
  for (const char* text : {"", "photos", "datasets/", "datasets/A",
                           "datasets/a/b", "models/a", "/datasets/a"}) {
    EXPECT_FALSE(ParseDatasetName("name", text).ok()) << text;
  }
}

TEST(ResourceNameTest, ReadsJobs) {
  const JobNumber job =
      ParseJobName("name", "jobs/9223372036854775807").value();
  EXPECT_EQ(job.value, 9'223'372'036'854'775'807);
  EXPECT_EQ(ResourceName(job), "jobs/9223372036854775807");
  EXPECT_EQ(ParseJobName("name", "jobs/1").value().value, 1);
  for (const char* text :
       {"", "1", "jobs", "jobs/", "jobs/0", "jobs/01", "jobs/-1", "jobs/+1",
        "jobs/1 ", "jobs/ 1", "jobs/x", "jobs/1/checkpoints/2", "Jobs/1",
        "jobs/9223372036854775808"}) {
    EXPECT_FALSE(ParseJobName("name", text).ok()) << text;
  }
}

TEST(ResourceNameTest, ErrorsNameTheFieldAndTheForm) {
  const absl::Status status =
      ParseVersionName("parent", "models/\x01").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("models/NAME/versions/N"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\\x01"));
  EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID");
  EXPECT_EQ(DetailsOf(status).violations[0].first, "parent");
}

TEST(ResourceNameTest, ReadsCheckpoints) {
  const CheckpointReference first =
      ParseCheckpointName("name", "jobs/7/checkpoints/0").value();
  EXPECT_EQ(first.job, JobNumber{7});
  EXPECT_EQ(first.step, 0);
  EXPECT_EQ(ParseCheckpointName("name", "jobs/1/checkpoints/250")->step, 250);
  for (const char* text :
       {"", "jobs/7", "jobs/7/", "jobs/7/checkpoints", "jobs/7/checkpoints/",
        "jobs/7/checkpoints/-1", "jobs/7/checkpoints/01",
        "jobs/7/checkpoints/+1", "jobs/7/checkpoints/1 ",
        "jobs/0/checkpoints/1", "jobs/07/checkpoints/1", "jobs//checkpoints/1",
        "7/checkpoints/1", "jobs/7/checkpoints/1/2", "jobs/7/checkpoint/1",
        "jobs/7/checkpoints/9223372036854775808"}) {
    const absl::Status status = ParseCheckpointName("name", text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("jobs/N/checkpoints/STEP"));
  }
}

}  // namespace
}  // namespace resnetd
