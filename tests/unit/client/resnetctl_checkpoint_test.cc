// `resnetctl train checkpoints`, `publish` and `start --estimate` as a process
// of their own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/client/resnetctl_fixture.h"

namespace resnetd::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class TrainCheckpointTest : public ResnetctlTest {
 protected:
  FakeJobs& jobs() { return fake_.jobs(); }

  void AddCheckpoint(const std::string& job, int step, bool is_best) {
    v1::Checkpoint checkpoint;
    checkpoint.set_name(job + "/checkpoints/" + std::to_string(step));
    checkpoint.set_step(step);
    checkpoint.set_is_best(is_best);
    jobs().AddCheckpoint(job, checkpoint);
  }
};

TEST_F(TrainCheckpointTest, AListNamesTheNextCommand) {
  const std::string job = jobs().Add(v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Run({"train", "checkpoints", "1"}).err, "");
  AddCheckpoint(job, 20, true);
  EXPECT_EQ(Run({"train", "checkpoints", "1"}).err,
            "next: resnetctl train publish 1\n");
}

TEST_F(TrainCheckpointTest, PublishesTheBestOne) {
  const std::string job = jobs().Add(v1::JOB_STATE_CANCELLED);
  AddCheckpoint(job, 20, true);
  AddCheckpoint(job, 40, false);
  const ProcessResult result =
      Run({"train", "publish", "1", "--request-id", "r9"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "made digits@20 of step 20 of job 1, accuracy 50.00 %\n");
  EXPECT_EQ(result.err, "next: resnetctl models promote digits@20\n");
  EXPECT_EQ(jobs().request_ids().back(), "r9");
  EXPECT_EQ(Run({"train", "publish", "1", "--best"}).code, 0);
  EXPECT_EQ(
      RunJson({"train", "publish", "1", "--step", "40"})["version"]["name"],
      "models/digits/versions/40");
}

TEST_F(TrainCheckpointTest, WithoutABestOneItIsTheLast) {
  const std::string job = jobs().Add(v1::JOB_STATE_FAILED);
  AddCheckpoint(job, 20, false);
  AddCheckpoint(job, 40, false);
  EXPECT_THAT(Run({"train", "publish", "1"}).out, HasSubstr("digits@40"));
  const ProcessResult best = Run({"train", "publish", "1", "--best"});
  EXPECT_EQ(best.code, 4);
  EXPECT_THAT(best.err, HasSubstr("leave --best out"));
}

TEST_F(TrainCheckpointTest, SaysWhatCannotBePublished) {
  jobs().Add(v1::JOB_STATE_CREATED);
  const ProcessResult none = Run({"train", "publish", "1"});
  EXPECT_EQ(none.code, 4);
  EXPECT_THAT(none.err, HasSubstr("has no checkpoint"));
  EXPECT_EQ(Run({"train", "publish", "1", "--step", "7"}).code, 4);
  EXPECT_EQ(Run({"train", "publish", "1", "--step", "-1"}).code, 2);
  EXPECT_EQ(Run({"train", "publish", "1", "--step", "7", "--best"}).code, 2);
  EXPECT_EQ(Run({"train", "publish"}).code, 2);
}

TEST_F(TrainCheckpointTest, DeletesOneAndNoOther) {
  const std::string job = jobs().Add(v1::JOB_STATE_SUCCEEDED);
  AddCheckpoint(job, 20, true);
  AddCheckpoint(job, 40, false);
  const ProcessResult result =
      Run({"train", "checkpoints", "delete", "1", "--step", "20", "--yes",
           "--request-id", "r4"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "deleted the checkpoint of step 20 of job 1\n");
  EXPECT_EQ(jobs().request_ids().back(), "r4");
  const json left = RunJson({"train", "checkpoints", "1"})["checkpoints"];
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0]["step"], 40);
  EXPECT_EQ(RunJson({"train", "checkpoints", "delete", "jobs/1", "--step", "40",
                     "-y"})["deleted"],
            "jobs/1/checkpoints/40");
}

TEST_F(TrainCheckpointTest, DeletesNothingUnasked) {
  const std::string job = jobs().Add(v1::JOB_STATE_SUCCEEDED);
  AddCheckpoint(job, 20, true);
  const std::vector<std::string> words = {"train", "checkpoints", "delete",
                                          "1",     "--step",      "20"};
  const ProcessResult result = Run(words);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("add --yes"));
  EXPECT_EQ(RunJson({"train", "checkpoints", "1"})["checkpoints"].size(), 1U);
  // One that is not there, half a command line, and one too much.
  const ProcessResult none =
      Run({"train", "checkpoints", "delete", "1", "--step", "9", "--yes"});
  EXPECT_EQ(none.code, 4);
  EXPECT_THAT(none.err, HasSubstr("resnetctl train checkpoints"));
  EXPECT_THAT(Run({"train", "checkpoints", "delete", "1", "--yes"}).err,
              HasSubstr("--step is required"));
  EXPECT_EQ(Run({"train", "checkpoints", "delete", "--step", "9"}).code, 2);
  EXPECT_THAT(Run({"train", "checkpoints"}).err, HasSubstr("JOB is missing"));
  EXPECT_EQ(
      Run({"train", "checkpoints", "1", "delete", "1", "--step", "20", "--yes"})
          .code,
      2);
  EXPECT_EQ(RunJson({"train", "checkpoints", "1"})["checkpoints"].size(), 1U);
}

TEST_F(TrainCheckpointTest, EstimatesInUnitsOfPeople) {
  const ProcessResult result = Run({"train", "start", "--dataset", "photos",
                                    "--model", "digits", "--estimate"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("measured, nothing was changed"));
  EXPECT_THAT(result.out, HasSubstr("steps   600"));
  EXPECT_THAT(result.out, HasSubstr("by 4 steps"));
  EXPECT_THAT(result.out, HasSubstr("about 2.0 MiB of 8.0 MiB that are free"));
  const json estimate =
      RunJson({"train", "start", "--dataset", "photos", "--model", "digits",
               "--estimate"})["estimate"];
  EXPECT_EQ(estimate["steps"], 600);
  EXPECT_EQ(estimate["seconds_low"], 90);
  EXPECT_EQ(estimate["seconds_high"], 120);
  EXPECT_EQ(estimate["peak_bytes"], 2 << 20);
  EXPECT_EQ(estimate["free_bytes"], 8 << 20);
  const ProcessResult data =
      Run({"train", "start", "--data", "/", "--estimate"});
  EXPECT_THAT(data.err, HasSubstr("--estimate changes nothing"));
}

}  // namespace
}  // namespace resnetd::test
