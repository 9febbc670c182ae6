// `resnetctl models watch`, and what asks a person at a terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/unit/client/models_fixture.h"

namespace resnetd::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using nlohmann::json;

class WatchTest : public ModelsTest {
 protected:
  WatchTest() {
    // The second watch is the end: the events are gone.
    fake_.models().before = [this](const std::string& method) {
      return method == "WatchModels" && ++asked_ == 2 && ends_
                 ? ToGrpc(RichError(grpc::StatusCode::OUT_OF_RANGE,
                                    "these events are no longer kept",
                                    "EVENTS_EXPIRED", {{"oldest", "40"}}))
                 : grpc::Status::OK;
    };
  }

  void WaitForAWatch() const {
    while (fake_.models().watches() == 0) {
      std::this_thread::yield();
    }
  }

  // Watches with `words` until everything is told that happened before.
  ProcessResult Watch(std::vector<std::string> words) {
    words.insert(words.begin(), {"models", "watch"});
    Process process(Command(words));
    WaitForAWatch();
    fake_.models().BreakWatches();
    return process.Wait();
  }

  bool ends_ = true;
  std::atomic<int> asked_ = 0;
};

TEST_F(WatchTest, PrintsOneLineAnEvent) {
  ImportCats();
  Run({"models", "promote", "cats@2"});
  Run({"models", "rollback", "cats"});
  Run({"models", "alias", "set", "cats@1", "canary"});
  Run({"models", "alias", "delete", "cats@canary"});
  Run({"models", "delete", "cats@2", "-y"});
  const std::string digest =
      fake_.models().version("cats", 1).weights_sha256().substr(0, 12);
  const ProcessResult result = Watch({"cats", "--after", "0"});
  EXPECT_EQ(result.code, 8);
  EXPECT_EQ(
      result.out,
      "2026-11-21 12:00:03  3  cats  version 1 imported, sha256 " + digest +
          "\n"
          "2026-11-21 12:00:04  4  cats  stable -> 1\n"
          "2026-11-21 12:00:05  5  cats  version 2 imported, sha256 " +
          fake_.models().version("cats", 2).weights_sha256().substr(0, 12) +
          "\n"
          "2026-11-21 12:00:06  6  cats  stable 1 -> 2\n"
          "2026-11-21 12:00:07  7  cats  stable 2 -> 1, rolled back\n"
          "2026-11-21 12:00:08  8  cats  canary -> 1\n"
          "2026-11-21 12:00:09  9  cats  canary deleted\n"
          "2026-11-21 12:00:10  10  cats  version 2 deleted\n");
  EXPECT_EQ(result.err,
            "watching behind event 0; Ctrl-C ends it\n"
            "error: these events are no longer kept: --after 39 begins with "
            "the oldest that is kept; `resnetctl models list` shows how things "
            "are now\n");
}

TEST_F(WatchTest, PrintsOneJsonObjectALine) {
  ImportCats();
  const ProcessResult result = Watch({"--after", "3", "-o", "json", "-q"});
  EXPECT_EQ(result.code, 8);
  std::istringstream lines(result.out);
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(json::parse(line),
            json({{"sequence", 4},
                  {"time", "2026-11-21T12:00:04+00:00"},
                  {"model", "models/cats"},
                  {"kind", "ALIAS_SET"},
                  {"version", 1},
                  {"alias", "stable"},
                  {"previous_version", 0},
                  {"generation", 1},
                  {"weights_sha256",
                   fake_.models().version("cats", 1).weights_sha256()}}));
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(json::parse(line)["kind"], "VERSION_IMPORTED");
}

TEST_F(WatchTest, BeginsNowUnlessTold) {
  ImportCats();
  const ProcessResult result = Watch({});
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("watching behind event 5; Ctrl-C"));
}

TEST_F(WatchTest, EndsWith130WhenInterrupted) {
  Process process(Command({"models", "watch"}));
  WaitForAWatch();
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait().code, 130);
}

TEST_F(WatchTest, SaysWhenTheServerIsAwayAndWhenItIsBack) {
  // Away for one question of the client.
  std::atomic<int> lists = 0;
  const auto end = fake_.models().before;
  fake_.models().before = [&lists, end](const std::string& method) {
    // The question at the beginning is the first; gRPC repeats one four times.
    if (method == "ListModels" && ++lists >= 2 && lists <= 5) {
      return ToGrpc(RichError(grpc::StatusCode::UNAVAILABLE,
                              "the server is starting", "STARTING"));
    }
    return end(method);
  };
  const ProcessResult result = Watch({});
  EXPECT_THAT(result.err,
              HasSubstr("warning: the connection is lost (the server is "
                        "starting); trying again\n"
                        "connected again behind event 2\n"));
}

class AskTest : public ModelsTest {
 protected:
  ProcessResult Answer(const std::string& typed) {
    ProcessOptions options = Command({"models", "delete", "cats@2"});
    options.in_is_tty = true;
    options.err_is_tty = true;
    options.input = typed;
    return RunProcess(options);
  }
};

TEST_F(AskTest, DeletesWhenThePersonSaysYes) {
  ImportCats();
  const ProcessResult result = Answer("y\n");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("Delete cats@2 (resnet50, 2 classes, 16 "
                                    "B)? It cannot be undone [y/N] "));
  EXPECT_EQ(result.out, "deleted models/cats/versions/2\n");
  EXPECT_EQ(Run({"models", "show", "cats@2"}).code, 4);
}

TEST_F(AskTest, DeletesNothingOtherwise) {
  ImportCats();
  // \x04 is Ctrl-D.
  for (const char* typed : {"n\n", "\n", "nonsense\n", "\x04"}) {
    const ProcessResult result = Answer(typed);
    EXPECT_EQ(result.code, 1) << typed;
    EXPECT_THAT(result.err, HasSubstr("nothing was deleted"));
    EXPECT_EQ(result.out, "");
  }
  EXPECT_EQ(Run({"models", "show", "cats@2"}).code, 0);
}

// --- the doctor ---

TEST_F(ModelsTest, TellsTheDoctorsViewOfTheStore) {
  ImportCats();
  const ProcessResult well = Run({"doctor"});
  EXPECT_EQ(well.code, 0) << well.out;
  EXPECT_THAT(well.out,
              HasSubstr("ok    store       3 versions of 2 models, 2 aliases, "
                        "48 B of weights\n"));
  EXPECT_THAT(well.out, Not(HasSubstr("fail")));

  const auto fail = [](v1::Version& version) {
    version.set_residency(v1::RESIDENCY_FAILED);
    *version.mutable_failure() = RichError(grpc::StatusCode::DATA_LOSS,
                                           "digest differs", "WEIGHTS_CORRUPT");
  };
  fake_.models().Change("cats", 2, fail);
  EXPECT_THAT(Run({"doctor"}).out,
              HasSubstr("warn  store       cats@2 could not be loaded: digest "
                        "differs\n"));
  EXPECT_EQ(Run({"doctor"}).code, 0);
  fake_.models().Change("cats", 1, fail);
  const ProcessResult sick = Run({"doctor"});
  EXPECT_EQ(sick.code, 1);
  EXPECT_THAT(sick.out, HasSubstr("fail  store       cats@1 could not be"));
  EXPECT_THAT(sick.out,
              HasSubstr("fail  model       cats version 1 is FAILED"));
}

TEST_F(ModelsTest, TellsOfAModelThatAnswersNobody) {
  fake_.models().list_models = [](const v1::ListModelsRequest& /*request*/,
                                  v1::ListModelsResponse& response) {
    response.add_models()->set_name("models/digits");
    response.mutable_models(0)->set_residency(v1::RESIDENCY_UNLOADED);
    return grpc::Status::OK;
  };
  const ProcessResult result = Run({"doctor"});
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_THAT(result.out,
              HasSubstr("warn  model       digits answers nobody: its alias "
                        "stable is not set\n"));
  EXPECT_THAT(result.out, HasSubstr("`resnetctl models promote digits@N`"));
}

}  // namespace
}  // namespace resnetd::test
