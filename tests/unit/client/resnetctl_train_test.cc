// `resnetctl train ...` as a process of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/client/resnetctl_fixture.h"

namespace resnetd::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class TrainTest : public ResnetctlTest {
 protected:
  FakeJobs& jobs() { return fake_.jobs(); }

  // A job that is done, with events of several kinds.
  std::string AddDoneJob(bool promoted = true) {
    const std::string job = jobs().Add(v1::JOB_STATE_QUEUED);
    jobs().Move(job, v1::JOB_STATE_RUNNING);
    v1::JobEvent step;
    step.mutable_step_metrics()->set_step(10);
    step.mutable_step_metrics()->set_steps(1);
    step.mutable_step_metrics()->set_loss(0.5);
    jobs().Tell(job, step);
    v1::JobEvent line;
    line.mutable_log_line()->set_text("slow");
    line.mutable_log_line()->set_is_warning(true);
    jobs().Tell(job, line);
    jobs().Change(job, [promoted](v1::FineTuneJob& changed) {
      changed.mutable_spec()->mutable_promotion()->set_kind(
          v1::PROMOTION_KIND_ALIAS);
      changed.mutable_spec()->mutable_promotion()->set_alias("stable");
      v1::FineTuneJobStatus& status = *changed.mutable_status();
      status.set_total_steps(10);
      status.set_step(10);
      status.set_result_version(4);
      status.set_promotion(promoted ? v1::PROMOTION_STATE_PROMOTED
                                    : v1::PROMOTION_STATE_GATE_NOT_PASSED);
      status.mutable_gate()->set_passed(promoted);
      v1::GateCriterion& criterion = *status.mutable_gate()->add_criteria();
      criterion.set_name("min_examples");
      criterion.set_value(49);
      criterion.set_bound(50);
      criterion.set_passed(promoted);
    });
    jobs().Move(job, v1::JOB_STATE_SUCCEEDED);
    return job;
  }
};

TEST_F(TrainTest, StartsAJobWithWhatItWasTold) {
  const ProcessResult result = Run({"train",
                                    "start",
                                    "--dataset",
                                    "photos",
                                    "--model",
                                    "digits@3",
                                    "--epochs",
                                    "2.5",
                                    "--lr",
                                    "0.01",
                                    "--batch",
                                    "16",
                                    "--set",
                                    "flip=0.5",
                                    "--set",
                                    "optimizer=adamw",
                                    "--policy",
                                    "stages:2",
                                    "--head",
                                    "grow",
                                    "--replay",
                                    "5",
                                    "--replay-dataset",
                                    "old",
                                    "--allow-forgetting",
                                    "--promote",
                                    "canary",
                                    "--allow-label-change",
                                    "--seed",
                                    "7",
                                    "--max-time",
                                    "2h",
                                    "--name",
                                    "a try",
                                    "--request-id",
                                    "r1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "job 1 is QUEUED: digits@3 + photos\n");
  EXPECT_EQ(result.err, "next: resnetctl train watch 1\n");
  const v1::CreateFineTuneJobRequest request = jobs().created();
  EXPECT_EQ(request.request_id(), "r1");
  EXPECT_EQ(request.start(), v1::JOB_START_AUTO);
  const v1::FineTuneJobSpec& spec = request.spec();
  EXPECT_EQ(spec.model(), "models/digits");
  EXPECT_EQ(spec.base_version(), 3);
  EXPECT_EQ(spec.dataset(), "datasets/photos");
  EXPECT_EQ(spec.recipe().epochs(), 2.5);
  EXPECT_EQ(spec.recipe().rate(), 0.01);
  EXPECT_EQ(spec.recipe().batch_size(), 16);
  EXPECT_EQ(spec.recipe().flip(), 0.5);
  EXPECT_EQ(spec.recipe().optimizer(), v1::OPTIMIZER_KIND_ADAMW);
  EXPECT_EQ(spec.recipe().layers(), v1::LAYER_POLICY_STAGES);
  EXPECT_EQ(spec.recipe().first_stage(), 2);
  EXPECT_EQ(spec.recipe().seed(), 7);
  EXPECT_FALSE(spec.recipe().has_max_steps());
  EXPECT_EQ(spec.head(), v1::HEAD_POLICY_GROW);
  EXPECT_EQ(spec.replay().exemplars_per_class(), 5);
  EXPECT_EQ(spec.replay().dataset(), "datasets/old");
  EXPECT_TRUE(spec.replay().allow_forgetting());
  EXPECT_EQ(spec.promotion().kind(), v1::PROMOTION_KIND_ALIAS);
  EXPECT_EQ(spec.promotion().alias(), "canary");
  EXPECT_TRUE(spec.gate().allow_label_change());
  EXPECT_EQ(spec.max_duration().seconds(), 7200);
  EXPECT_EQ(spec.display_name(), "a try");
}

TEST_F(TrainTest, WantsPicturesOrADatasetAndNotBoth) {
  const ProcessResult neither = Run({"train", "start"});
  EXPECT_EQ(neither.code, 8);
  EXPECT_THAT(neither.err, HasSubstr("--data PATH"));
  const ProcessResult both =
      Run({"train", "start", "--data", ".", "--dataset", "photos"});
  EXPECT_EQ(both.code, 8);
  EXPECT_THAT(both.err, HasSubstr("one too many"));
  const ProcessResult dry = Run({"train", "start", "--data", ".", "--dry-run"});
  EXPECT_EQ(dry.code, 8);
  EXPECT_THAT(dry.err, HasSubstr("resnetctl data upload"));
  const ProcessResult nowhere =
      Run({"train", "start", "--data", "/nowhere/at/all"});
  EXPECT_EQ(nowhere.code, 8);
  EXPECT_THAT(nowhere.err, HasSubstr("/nowhere/at/all"));
}

TEST_F(TrainTest, LeavesEverythingElseToTheServer) {
  EXPECT_EQ(Run({"train", "start", "--dataset", "photos", "--manual"}).out,
            "job 1 is CREATED: digits + photos\n");
  const v1::CreateFineTuneJobRequest request = jobs().created();
  EXPECT_EQ(request.start(), v1::JOB_START_MANUAL);
  // The default model of the server.
  EXPECT_EQ(request.spec().model(), "models/digits");
  EXPECT_EQ(request.spec().base_version(), 0);
  EXPECT_EQ(request.spec().recipe().ByteSizeLong(), 0U);
  EXPECT_FALSE(request.spec().replay().has_exemplars_per_class());
  EXPECT_FALSE(request.spec().has_split());
}

TEST_F(TrainTest, TrainsFromScratch) {
  EXPECT_EQ(Run({"train", "start", "--dataset", "photos", "--model", "new",
                 "--scratch", "resnet18", "--input-size", "64"})
                .code,
            0);
  EXPECT_EQ(jobs().created().spec().architecture(), "resnet18");
  EXPECT_EQ(jobs().created().spec().input_size(), 64);
  const ProcessResult nameless =
      Run({"train", "start", "--dataset", "photos", "--scratch", "resnet18"});
  EXPECT_EQ(nameless.code, 8);
  EXPECT_THAT(nameless.err, HasSubstr("add --model NAME"));
}

TEST_F(TrainTest, ADryRunShowsTheSettings) {
  const ProcessResult result =
      Run({"train", "start", "--dataset", "photos", "--dry-run"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(jobs().created().validate_only());
  EXPECT_THAT(result.out, HasSubstr("checked, nothing was changed"));
  EXPECT_THAT(result.out, HasSubstr("100 steps, head, rate 0.01\n"));
  EXPECT_THAT(result.out, HasSubstr("SGD"));
  const json document =
      RunJson({"train", "start", "--dataset", "photos", "--dry-run"});
  EXPECT_EQ(document["dry_run"], true);
  EXPECT_EQ(document["job"]["status"]["recipe"]["batch_size"], 32);
}

TEST_F(TrainTest, WatchesAJobToItsEnd) {
  AddDoneJob();
  const ProcessResult result = Run({"train", "watch", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(
      result.out,
      "2026-11-21 12:00:00  1  QUEUED\n"
      "2026-11-21 12:00:01  2  RUNNING\n"
      "2026-11-21 12:00:02  3  step 10: loss 0.5, accuracy 0.00 %, gradient 0, "
      "rate 0, 0 pictures/s\n"
      "2026-11-21 12:00:03  4  warning: slow\n"
      "2026-11-21 12:00:04  5  SUCCEEDED\n"
      "CRITERION     VALUE  BOUND  PASSED  WHY\n"
      "min_examples     49     50  yes\n"
      "job 1 made digits@4; alias stable names it\n");
  EXPECT_EQ(result.err,
            "watching behind event 0; Ctrl-C ends the watch, not the job\n"
            "next: resnetctl classify -m digits PICTURE\n");
}

TEST_F(TrainTest, TheExitCodeOfAWatchTellsWhetherItWasDone) {
  AddDoneJob(/*promoted=*/false);
  const ProcessResult lost = Run({"train", "watch", "1", "--after", "4"});
  EXPECT_EQ(lost.code, 1);
  EXPECT_THAT(lost.out, HasSubstr("the gate is not passed"));
  const std::string failed = jobs().Add(v1::JOB_STATE_FAILED);
  EXPECT_EQ(Run({"train", "watch", "2"}).code, 1);
  jobs().Add(v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Run({"train", "watch", "3"}).code, 1);
  EXPECT_EQ(Run({"train", "watch", "99"}).code, 4);
}

TEST_F(TrainTest, WatchesWhatItStarts) {
  Process process(
      Command({"train", "start", "--dataset", "photos", "--watch"}));
  while (jobs().watches() == 0) {
    std::this_thread::yield();
  }
  jobs().Move("jobs/1", v1::JOB_STATE_SUCCEEDED);
  const ProcessResult result = process.Wait();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("job 1 is QUEUED"));
  EXPECT_THAT(result.out, HasSubstr("  2  SUCCEEDED\n"));
}

TEST_F(TrainTest, AWatchPrintsOneJsonObjectALine) {
  AddDoneJob();
  const ProcessResult result = Run({"train", "watch", "1", "-o", "json"});
  EXPECT_EQ(result.code, 0);
  std::istringstream lines(result.out);
  std::string line;
  std::vector<json> documents;
  while (std::getline(lines, line)) {
    documents.push_back(json::parse(line));
  }
  ASSERT_EQ(documents.size(), 6U);
  EXPECT_EQ(documents[0],
            json({{"sequence", 1},
                  {"time", "2026-11-21T12:00:00+00:00"},
                  {"kind", "STATE_CHANGED"},
                  {"state_changed",
                   {{"from", "UNKNOWN"}, {"to", "QUEUED"}, {"message", ""}}}}));
  EXPECT_EQ(documents[2]["step_metrics"]["loss"], 0.5);
  EXPECT_EQ(documents[5]["job"]["status"]["result_version"], 4);
}

TEST_F(TrainTest, ShowsCurvesOnATerminal) {
  AddDoneJob();
  ProcessOptions options = Command({"train", "watch", "1"});
  options.err_is_tty = true;
  const ProcessResult result = RunProcess(options);
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("  loss        "));
  EXPECT_THAT(result.err, HasSubstr(" 10/10"));
  // Its output goes into a file, which gets every event.
  EXPECT_THAT(result.out, HasSubstr("step 10: loss 0.5"));
}

TEST_F(TrainTest, AWatchThatIsInterruptedLeavesTheJobAlone) {
  jobs().Add(v1::JOB_STATE_RUNNING);
  Process process(Command({"train", "watch", "1"}));
  while (jobs().watches() == 0) {
    std::this_thread::yield();
  }
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait().code, 130);
  EXPECT_TRUE(jobs().request_ids().empty());
}

TEST_F(TrainTest, ListsJobs) {
  AddDoneJob();
  jobs().Add(v1::JOB_STATE_RUNNING);
  const ProcessResult result = Run({"train", "list"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("  2  RUNNING    digits@3  photos"));
  EXPECT_THAT(result.out,
              HasSubstr("  1  SUCCEEDED  digits@3  photos   10/10"));
  EXPECT_THAT(result.out, HasSubstr("digits@4  PROMOTED"));
  EXPECT_THAT(Run({"train", "list", "--state", "running"}).out,
              Not(HasSubstr("SUCCEEDED")));
  EXPECT_EQ(RunJson({"train", "list"})["jobs"].size(), 2U);
}

TEST_F(TrainTest, SaysHowToMakeTheFirstJob) {
  EXPECT_THAT(Run({"train", "list"}).err, HasSubstr("`resnetctl train start`"));
}

TEST_F(TrainTest, ShowsAJob) {
  AddDoneJob(/*promoted=*/false);
  const ProcessResult result = Run({"train", "show", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("state      SUCCEEDED\n"));
  EXPECT_THAT(result.out, HasSubstr("result     digits@4\n"));
  EXPECT_THAT(result.out, HasSubstr("alias stable, GATE_NOT_PASSED\n"));
  EXPECT_THAT(result.out, HasSubstr("min_examples     49     50  NO\n"));
  const json job = RunJson({"train", "show", "jobs/1"})["job"];
  EXPECT_EQ(job["name"], "jobs/1");
  EXPECT_EQ(job["spec"]["dataset"], "datasets/photos");
  EXPECT_EQ(job["status"]["gate"]["criteria"][0]["value"], 49);
  const ProcessResult missing = Run({"train", "show", "9"});
  EXPECT_EQ(missing.code, 4);
  EXPECT_THAT(missing.err,
              HasSubstr("`resnetctl train list` shows what there is"));
}

TEST_F(TrainTest, PrintsLogsWithoutTheStepsUnlessAsked) {
  AddDoneJob();
  const ProcessResult result = Run({"train", "logs", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("  4  warning: slow\n"));
  EXPECT_THAT(result.out, Not(HasSubstr("step 10")));
  EXPECT_THAT(Run({"train", "logs", "1", "--steps"}).out,
              HasSubstr("  3  step 10"));
  EXPECT_THAT(Run({"train", "logs", "1", "--after", "4"}).out,
              Not(HasSubstr("slow")));
}

TEST_F(TrainTest, ListsCheckpoints) {
  const std::string job = jobs().Add(v1::JOB_STATE_RUNNING);
  v1::Checkpoint checkpoint;
  checkpoint.set_name("jobs/1/checkpoints/20");
  checkpoint.set_step(20);
  checkpoint.set_size_bytes(2048);
  checkpoint.set_is_best(true);
  checkpoint.mutable_evaluation()->set_accuracy(0.5);
  jobs().AddCheckpoint(job, checkpoint);
  EXPECT_THAT(Run({"train", "checkpoints", "1"}).out,
              HasSubstr("  20  2.0 KiB   50.00 %     0  yes"));
  EXPECT_EQ(RunJson({"train", "checkpoints", "1"})["checkpoints"][0]["step"],
            20);
}

TEST_F(TrainTest, ChangesJobs) {
  jobs().Add(v1::JOB_STATE_CREATED);
  EXPECT_EQ(Run({"train", "run", "1"}).out, "job 1 is QUEUED\n");
  const ProcessResult paused = Run({"train", "pause", "1"});
  EXPECT_EQ(paused.out, "job 1 is PAUSING\n");
  EXPECT_EQ(paused.err, "next: resnetctl train resume 1\n");
  EXPECT_EQ(Run({"train", "resume", "1"}).out, "job 1 is QUEUED\n");
  EXPECT_EQ(Run({"train", "cancel", "1", "--request-id", "r9"}).out,
            "job 1 is CANCELLING\n");
  EXPECT_EQ(jobs().request_ids().back(), "r9");
  EXPECT_EQ(Run({"train", "delete", "1", "-y"}).out, "deleted job 1\n");
  EXPECT_EQ(Run({"train", "show", "1"}).code, 4);
}

TEST_F(TrainTest, DeletesNothingThatNobodyConfirms) {
  jobs().Add(v1::JOB_STATE_FAILED);
  const ProcessResult result = Run({"train", "delete", "1"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("add --yes"));
  ProcessOptions options = Command({"train", "delete", "1"});
  options.in_is_tty = true;
  options.err_is_tty = true;
  options.input = "n\n";
  EXPECT_EQ(RunProcess(options).code, 1);
  EXPECT_EQ(Run({"train", "show", "1"}).code, 0);
  options.input = "y\n";
  EXPECT_EQ(RunProcess(options).code, 0);
  EXPECT_EQ(Run({"train", "show", "1"}).code, 4);
}

TEST_F(TrainTest, ErrorsNameTheNextCommand) {
  jobs().before = [](const std::string& method) {
    return method == "PauseFineTuneJob"
               ? ToGrpc(RichError(grpc::StatusCode::FAILED_PRECONDITION,
                                  "the job is CREATED", "JOB_STATE",
                                  {{"state", "CREATED"}}, "jobs/1"))
               : grpc::Status::OK;
  };
  const ProcessResult result = Run({"train", "pause", "1"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("`resnetctl train run"));
}

TEST_F(TrainTest, VerbosePrintsTheCallAsGrpcurlTakesIt) {
  const ProcessResult result =
      Run({"train", "start", "--dataset", "photos", "--lr", "0.5", "-v"});
  EXPECT_THAT(result.err,
              HasSubstr("resnetd.v1.FineTuneService/CreateFineTuneJob"));
  EXPECT_THAT(result.err, HasSubstr("\"recipe\":{\"rate\":0.5}"));
}

TEST_F(TrainTest, RefusesOptionsThatMakeNoSense) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{
           {"train"},
           {"train", "start", "--dataset", "Photos"},
           {"train", "start", "--dataset", "a", "--policy", "some"},
           {"train", "start", "--dataset", "a", "--lr", "0"},
           {"train", "start", "--dataset", "a", "--batch", "0"},
           {"train", "start", "--dataset", "a", "--batch", "3000000000"},
           {"train", "start", "--dataset", "a", "--replay", "-1"},
           {"train", "start", "--dataset", "a", "--set", "flop=1"},
           {"train", "start", "--dataset", "a", "--promote", "3"},
           {"train", "show"},
           {"train", "show", "x"},
           {"train", "watch", "1", "--after", "-1"},
           {"train", "list", "--state", "SOON"}}) {
    EXPECT_EQ(Run(words).code, 2) << testing::PrintToString(words);
  }
  EXPECT_EQ(Run({"train", "start", "--dataset", "a", "--model", "digits@2",
                 "--base", "1"})
                .code,
            8);
}

}  // namespace
}  // namespace resnetd::test
