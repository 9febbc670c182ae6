// The commands of resnetctl but classify, its exit codes, and how it behaves on
// a terminal and in a pipe.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <future>
#include <thread>

#include "tests/unit/client/resnetctl_fixture.h"

namespace resnetd::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using nlohmann::json;

TEST_F(ResnetctlTest, ListsModelsAsATable) {
  const ProcessResult result = Run({"models", "list"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "NAME    VERSION  STATE  ARCHITECTURE    CLASSES  ALIASES   "
            "DEFAULT\n"
            "digits        3  READY  cifar_resnet20       12  stable 3  yes\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(ResnetctlTest, ListsModelsAsJson) {
  const json document = RunJson({"models", "list"});
  EXPECT_EQ(document, json::parse(R"({"models": [{
    "name": "models/digits", "serving_version": 3, "residency": "READY",
    "architecture": "cifar_resnet20", "num_classes": 12,
    "is_default": true, "aliases": [{
      "name": "models/digits/aliases/stable", "version": 3,
      "previous_version": 0, "generation": 1, "etag": "g1",
      "update_time": "2026-11-21T12:00:00+00:00"}]}],
    "event_sequence": 2})"));
}

TEST_F(ResnetctlTest, WarnsOfAServerWithoutModels) {
  fake_.models().list_models = [](const v1::ListModelsRequest& /*request*/,
                                  v1::ListModelsResponse& /*response*/) {
    return grpc::Status::OK;
  };
  const ProcessResult result = Run({"models", "list"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("the server has no models"));
}

TEST_F(ResnetctlTest, ShowsAModelWithTheVersionThatAnswers) {
  const ProcessResult result = Run({"models", "show", "digits"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("digits (answers calls that name none)"));
  EXPECT_THAT(result.out, HasSubstr("272,474"));
  EXPECT_THAT(result.out, HasSubstr("class0, class1"));
  EXPECT_THAT(result.out, HasSubstr("(12 in all; -o json has every one)"));
  EXPECT_THAT(result.out, HasSubstr("short side 32, centre 28 x 28"));
  EXPECT_THAT(result.out, HasSubstr("98.61 % of 360 examples of digits"));
}

TEST_F(ResnetctlTest, ShowsAModelAsJson) {
  const json document = RunJson({"models", "show", "models/digits"});
  EXPECT_EQ(document["model"]["serving_version"], 3);
  EXPECT_EQ(document["version"]["labels"].size(), 12U);
  EXPECT_EQ(document["version"]["preprocess"]["mean"],
            json::parse("[0.1, 0.1, 0.1]"));
  EXPECT_EQ(document["version"]["load_ms"], 12.0);
  EXPECT_EQ(document["version"]["evaluations"][0]["examples"], 360);
  EXPECT_FALSE(document["version"].contains("failure"));
}

TEST_F(ResnetctlTest, ShowsOneVersion) {
  const ProcessResult result = Run({"models", "show", "digits/versions/3"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("models/digits/versions/3"));
  EXPECT_EQ(RunJson({"models", "show", "digits/versions/3"})["model"], nullptr);
}

TEST_F(ResnetctlTest, ShowsAModelThatDoesNotAnswer) {
  fake_.models().get_model = [](const v1::GetModelRequest& /*request*/,
                                v1::GetModelResponse& response) {
    response.mutable_model()->set_name("models/digits");
    response.mutable_model()->set_residency(v1::RESIDENCY_LOADING);
    return grpc::Status::OK;
  };
  const ProcessResult result = Run({"models", "show", "digits"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("none answers"));
  EXPECT_THAT(result.out, HasSubstr("LOADING"));
}

TEST_F(ResnetctlTest, ShowsWhyAVersionFailed) {
  fake_.models().get_version = [](const v1::GetVersionRequest& /*request*/,
                                  v1::GetVersionResponse& response) {
    *response.mutable_version() = DigitsVersion();
    response.mutable_version()->set_residency(v1::RESIDENCY_FAILED);
    *response.mutable_version()->mutable_failure() = RichError(
        grpc::StatusCode::DATA_LOSS, "digest differs", "WEIGHTS_CORRUPT");
    return grpc::Status::OK;
  };
  EXPECT_THAT(Run({"models", "show", "digits"}).out,
              HasSubstr("digest differs"));
  EXPECT_EQ(RunJson({"models", "show", "digits"})["version"]["failure"],
            json::parse(R"({"code": "DATA_LOSS", "reason": "WEIGHTS_CORRUPT",
                            "message": "digest differs"})"));
}

TEST_F(ResnetctlTest, SaysWhatIsHealthyByTextAndExitCode) {
  ProcessResult result = Run({"health"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "SERVING\n");
  EXPECT_EQ(RunJson({"health"}),
            json::parse(R"({"service": "", "status": "SERVING"})"));

  fake_.SetServing("models/digits", false);
  result = Run({"health", "models/digits"});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.out, "NOT_SERVING\n");
  EXPECT_EQ(RunJson({"health", "models/digits"}, 3)["status"], "NOT_SERVING");

  EXPECT_EQ(Run({"health", "models/cats"}).code, 4);
}

TEST_F(ResnetctlTest, PrintsTheVersionsOfBothSides) {
  ProcessResult result = Run({"version"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("resnetctl 0.1.0"));
  EXPECT_THAT(result.out,
              HasSubstr("resnetd 0.1.0    gRPC 1.51.1, up 60.00 s"));
  const json document = RunJson({"version"});
  EXPECT_EQ(document["client"]["version"], "0.1.0");
  EXPECT_EQ(document["server"]["limits"]["max-images-per-request"], 256);
  EXPECT_EQ(document["server"]["backends"][1]["usable"], false);

  result = Run({"--version"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "resnetctl 0.1.0\n");
}

TEST_F(ResnetctlTest, PrintsItsOwnVersionWithoutAServer) {
  ProcessResult result = Run({"version", "--client", "-s", "localhost:1"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  result = Run({"version", "-s", "localhost:1"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.out, HasSubstr("resnetctl 0.1.0"));
  const json document = RunJson({"version", "-s", "localhost:1"}, 3);
  EXPECT_EQ(document["server"], nullptr);
  EXPECT_EQ(document["error"]["reason"], "NO_CONNECTION");
}

TEST_F(ResnetctlTest, FindsNothingWrongWithAHealthyServer) {
  const ProcessResult result = Run({"doctor"});
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_THAT(result.out, HasSubstr("ok    connection"));
  EXPECT_THAT(result.out, HasSubstr("ok    ready"));
  EXPECT_THAT(result.out, HasSubstr("ok    model       digits version 3"));
  EXPECT_THAT(result.out, HasSubstr("ok    engine      usable: oneDNN"));
  EXPECT_THAT(result.out, HasSubstr("warn  torch"));
  EXPECT_THAT(result.out, HasSubstr("./dev setup"));
  EXPECT_THAT(result.out, HasSubstr("GPU driver"));
  EXPECT_THAT(result.out, Not(HasSubstr("fail")));
}

TEST_F(ResnetctlTest, TellsWhatIsWrongWithASickServer) {
  fake_.SetServing(false);
  fake_.models().list_models = [](const v1::ListModelsRequest& /*request*/,
                                  v1::ListModelsResponse& response) {
    *response.add_models() = DigitsModel();
    response.mutable_models(0)->set_residency(v1::RESIDENCY_FAILED);
    return grpc::Status::OK;
  };
  const json document = RunJson({"doctor"}, 1);
  EXPECT_EQ(document["ok"], false);
  std::vector<std::string> failed;
  for (const json& check : document["checks"]) {
    if (check["verdict"] == "fail") {
      failed.push_back(check["name"]);
      EXPECT_NE(check["advice"], "");
    }
  }
  EXPECT_THAT(failed, ElementsAre("ready", "model"));
}

TEST_F(ResnetctlTest, TellsTheDoctorsPatientThatNobodyIsThere) {
  const ProcessResult result =
      Run({"doctor", "-s", "localhost:1", "--http", "localhost:1"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("fail  connection  no server at "
                                    "localhost:1"));
  EXPECT_THAT(result.out, HasSubstr("fail  metrics     no HTTP server"));
  EXPECT_THAT(result.out, Not(HasSubstr("fail  ready")));
}

TEST_F(ResnetctlTest, ReportsAMissingServerWithWhatToDo) {
  const ProcessResult result = Run({"models", "list", "-s", "localhost:1"});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err,
            "error: no server at localhost:1: start one with ./dev run, or "
            "name one with --server HOST:PORT or RESNETD_SERVER\n");
}

TEST_F(ResnetctlTest, PutsAnErrorIntoTheJsonDocumentToo) {
  const json document = RunJson({"models", "show", "cats"}, 4);
  EXPECT_EQ(document, json::parse(R"({"error": {"code": "NOT_FOUND",
    "reason": "MODEL_NOT_FOUND", "message": "there is no \"models/cats\""}})"));
}

TEST_F(ResnetctlTest, PrefersTheFlagToTheEnvironment) {
  ProcessOptions options = Command({"health", "--server", fake_.address()});
  options.environment["RESNETD_SERVER"] = "localhost:1";
  EXPECT_EQ(RunProcess(options).code, 0);
}

TEST_F(ResnetctlTest, RefusesAnAddressThatIsNoneAsWrongUsage) {
  const ProcessResult result = Run({"health", "-s", "localhost:port"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("1 to 65535"));
}

TEST_F(ResnetctlTest, ExitsWith2OnWrongUsage) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"models"},
                                             {"clasify"},
                                             {"classify"},
                                             {"health", "--tiemout"}}) {
    const ProcessResult result = Run(words);
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr("error: "));
  }
}

TEST_F(ResnetctlTest, HelpsOnStdoutWithExitCode0) {
  const ProcessResult result = Run({"models", "show", "--help"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("Usage: resnetctl models show"));
  EXPECT_EQ(result.err, "");
}

TEST_F(ResnetctlTest, PrintsCallsAndGrpcurlLinesWhenVerbose) {
  const ProcessResult result = Run({"-v", "models", "show", "digits"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(
      result.err,
      HasSubstr("grpcurl -plaintext -d '{\"name\":\"models/digits\"}' " +
                fake_.address() + " resnetd.v1.ModelService/GetModel\n"));
  EXPECT_THAT(result.err, HasSubstr("ModelService/GetVersion"));
  EXPECT_THAT(result.out, Not(HasSubstr("grpcurl")));
}

TEST_F(ResnetctlTest, PaintsOnATerminalOnly) {
  ProcessOptions options = Command({"health"});
  options.out_is_tty = true;
  EXPECT_THAT(RunProcess(options).out, StartsWith("\x1b[32mSERVING\x1b[0m"));

  options.environment["NO_COLOR"] = "1";
  EXPECT_THAT(RunProcess(options).out, StartsWith("SERVING"));
  options.environment.erase("NO_COLOR");
  options.environment["TERM"] = "dumb";
  EXPECT_THAT(RunProcess(options).out, StartsWith("SERVING"));
  options.environment["TERM"] = "xterm";
  options.words.push_back("--no-color");
  EXPECT_THAT(RunProcess(options).out, StartsWith("SERVING"));
}

TEST_F(ResnetctlTest, KeepsTheTerminalSafeFromAServer) {
  fake_.models().list_models = [](const v1::ListModelsRequest& /*request*/,
                                  v1::ListModelsResponse& response) {
    *response.add_models() = DigitsModel();
    response.mutable_models(0)->set_architecture("\x1b]0;owned\x07 \u202ex");
    return grpc::Status::OK;
  };
  for (const char* format : {"table", "json"}) {
    const ProcessResult result = Run({"models", "list", "-o", format});
    EXPECT_THAT(result.out, HasSubstr("owned"));
    EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
    EXPECT_THAT(result.out, Not(HasSubstr("\x07")));
    EXPECT_THAT(result.out, Not(HasSubstr("\u202e")));
  }
}

TEST_F(ResnetctlTest, DoesNotTakeAFullDiskForSuccess) {
  ProcessOptions options = Command({"models", "list"});
  options.out_file = "/dev/full";
  const ProcessResult result = RunProcess(options);
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("standard output cannot be written"));
}

TEST_F(ResnetctlTest, CompletesInBash) {
  ProcessOptions options = Command({});
  const std::string program = options.words[0];
  options.words = {"/bin/bash", "-c", R"(
    set -u
    source <("$0" completion bash) || exit 9
    complete -p resnetctl || exit 9
    ask() {
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
      _resnetctl && echo "${COMPREPLY[*]-}"
    }
    ask resnetctl cl
    ask resnetctl models ""
    ask resnetctl -o ""
    ask resnetctl --output = j
    ask resnetctl -m classify hea
    ask resnetctl models show --q
    ask resnetctl completion f
    cd "$1" && ask resnetctl classify ca
    ask resnetctl models import ca
    ask resnetctl models import cat.jpg --labels ca
    ask resnetctl models alias ""
    ask resnetctl models import cat.jpg --name ca
  )",
                   program, folder_.path()};
  Picture("cat.jpg");
  const ProcessResult result = RunProcess(options);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out,
            "complete -F _resnetctl resnetctl\n"
            "classify\nlist show versions import export promote rollback alias "
            "evaluate compare calibrate quantize "
            "delete load unload warmup verify watch\ntable "
            "json\njson\nhealth\n--quiet\nfish\n"
            "cat.jpg\ncat.jpg\ncat.jpg\nset delete\n\n");
}

// Exit codes of a failed call, one by one.
struct CodeCase {
  grpc::StatusCode status;
  int exit_code;
};

class ExitCodeTest : public ResnetctlTest,
                     public testing::WithParamInterface<CodeCase> {};

TEST_P(ExitCodeTest, FollowsTheStatusOfTheCall) {
  FailClassify(GetParam().status, "because", "REASON");
  const ProcessResult result =
      Run({"classify", Picture("a.jpg"), Picture("b.jpg")});
  EXPECT_EQ(result.code, GetParam().exit_code) << result.err;
  EXPECT_THAT(result.err, HasSubstr("error: because"));
}

INSTANTIATE_TEST_SUITE_P(
    All, ExitCodeTest,
    testing::Values(CodeCase{grpc::StatusCode::UNAVAILABLE, 3},
                    CodeCase{grpc::StatusCode::NOT_FOUND, 4},
                    CodeCase{grpc::StatusCode::DEADLINE_EXCEEDED, 5},
                    CodeCase{grpc::StatusCode::RESOURCE_EXHAUSTED, 6},
                    CodeCase{grpc::StatusCode::UNAUTHENTICATED, 7},
                    CodeCase{grpc::StatusCode::PERMISSION_DENIED, 7},
                    CodeCase{grpc::StatusCode::INVALID_ARGUMENT, 8},
                    CodeCase{grpc::StatusCode::INTERNAL, 1},
                    CodeCase{grpc::StatusCode::FAILED_PRECONDITION, 1}));

// A call that lasts until its client goes away.
class StuckServerTest : public ResnetctlTest {
 protected:
  StuckServerTest() {
    fake_.hooks().classify = [this](grpc::ServerContext& context,
                                    const v1::ClassifyRequest& /*request*/,
                                    v1::ClassifyResponse& /*response*/) {
      arrived_.set_value();
      while (!context.IsCancelled()) {
        std::this_thread::yield();
      }
      return grpc::Status::CANCELLED;
    };
  }
  std::promise<void> arrived_;
};

TEST_F(StuckServerTest, EndsWith130WhenInterrupted) {
  Process process(Command({"classify", Picture("a.jpg")}));
  arrived_.get_future().wait();
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait().code, 130);
}

TEST_F(StuckServerTest, EndsWith5WhenTheTimeIsUp) {
  const ProcessResult result =
      Run({"classify", Picture("a.jpg"), "--timeout", "200ms"});
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, HasSubstr("--timeout 30s"));
}

}  // namespace
}  // namespace resnetd::test
