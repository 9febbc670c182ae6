// `resnetctl classify` as a process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "google/rpc/error_details.pb.h"
#include "tests/unit/client/resnetctl_fixture.h"

namespace resnetd::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using nlohmann::json;

class ClassifyCommandTest : public ResnetctlTest {
 protected:
  std::vector<std::string> Pictures(int count) {
    std::vector<std::string> words = {"classify"};
    for (int i = 0; i < count; ++i) {
      words.push_back(
          Picture(std::to_string(i) + ".jpg", "pixels " + std::to_string(i)));
    }
    return words;
  }
  // The fake takes pictures that hold "broken" for undecodable.
  void RefuseBroken() {
    fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                                const v1::ClassifyRequest& request,
                                v1::ClassifyResponse& response) {
      google::rpc::Status error =
          RichError(grpc::StatusCode::INVALID_ARGUMENT,
                    "the JPEG ends too early", "IMAGE_DECODE_FAILED");
      FillAnswer(request, response);
      for (int i = 0; i < request.images_size(); ++i) {
        if (request.images(i).encoded() == "broken") {
          if (request.images_size() == 1) {
            return ToGrpc(error);
          }
          *response.mutable_results(i)->mutable_error() = error;
        }
      }
      return grpc::Status::OK;
    };
  }
};

TEST_F(ClassifyCommandTest, PrintsPredictionsAndStageTimes) {
  const std::string picture = Picture("cat.jpg");
  const ProcessResult result = Run({"classify", picture});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(
      result.out,
      picture +
          "\n"
          "  tabby cat     ███████████████       75.0 %  281\n"
          "  Egyptian cat  ██                    10.0 %  285\n"
          "digits version 3 on engine in fp32: queue 0.10 ms, decode 2.00 "
          "ms, preprocess 0.50 ms, compute 20.0 ms, total 25.0 ms\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(ClassifyCommandTest, DrawsBarsInAsciiWithoutAUtf8Locale) {
  ProcessOptions options = Command({"classify", Picture("cat.jpg")});
  options.environment["LC_ALL"] = "C";
  EXPECT_THAT(RunProcess(options).out,
              HasSubstr("tabby cat     ###############-----  75.0 %  281\n"));
}

TEST_F(ClassifyCommandTest, PrintsTheDataAloneWhenQuiet) {
  const ProcessResult result = Run({"classify", "-q", Picture("cat.jpg")});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, Not(HasSubstr("queue")));
  EXPECT_THAT(result.out, HasSubstr("tabby cat"));
}

TEST_F(ClassifyCommandTest, PrintsJsonWithEveryField) {
  const std::string picture = Picture("cat.jpg");
  json document = RunJson({"classify", picture, "--logits"});
  EXPECT_GT(document["timing"]["client_ms"], 0);
  document["timing"].erase("client_ms");
  EXPECT_EQ(document, json({{"images",
                             {{{"image", picture},
                               {"version", 3},
                               {"predictions",
                                {{{"index", 281},
                                  {"label", "tabby cat"},
                                  {"probability", 0.75},
                                  {"logit", 9.5}},
                                 {{"index", 285},
                                  {"label", "Egyptian cat"},
                                  {"probability", 0.1},
                                  {"logit", 7.75}}}},
                               {"logits", {9.5, 0.1}}}}},
                            {"served_by",
                             {{"model", "models/digits"},
                              {"version", 3},
                              {"weights_sha256", "abc123"},
                              {"precision", "fp32"},
                              {"backend", "engine"},
                              {"alias", "stable"}}},
                            {"timing",
                             {{"queue_ms", 0.1},
                              {"decode_ms", 2.0},
                              {"preprocess_ms", 0.5},
                              {"compute_ms", 20.0},
                              {"postprocess_ms", 0.05},
                              {"total_ms", 25.0},
                              {"batch_size", 1},
                              {"batch_close_reason", "full"},
                              {"requests", 1}}}}));
}

// A model with fewer classes than are shown by default answers all the same.
TEST_F(ClassifyCommandTest, LeavesTheNumberOfPredictionsToTheServer) {
  Run({"classify", Picture("cat.jpg")});
  EXPECT_EQ(fake_.classify_requests().at(0).top_k(), 0);
}

TEST_F(ClassifyCommandTest, SendsWhatTheOptionsSay) {
  Run({"classify", Picture("cat.jpg"), "-m", "digits", "-k", "3",
       "--min-probability", "0.5", "--request-id", "job-1", "--fail-fast"});
  const v1::ClassifyRequest request = fake_.classify_requests().at(0);
  EXPECT_EQ(request.model(), "digits");
  EXPECT_EQ(request.top_k(), 3);
  EXPECT_FLOAT_EQ(request.min_probability(), 0.5F);
  EXPECT_EQ(request.request_id(), "job-1");
  EXPECT_TRUE(request.fail_fast());
  EXPECT_TRUE(request.options().timing());
  EXPECT_FALSE(request.options().logits());
  EXPECT_EQ(request.images(0).encoded(), "pixels");
}

TEST_F(ClassifyCommandTest, ReadsStandardInput) {
  ProcessOptions options = Command({"classify", "-"});
  options.input = "from a pipe";
  const ProcessResult result = RunProcess(options);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("standard input\n"));
  EXPECT_EQ(fake_.classify_requests().at(0).images(0).encoded(), "from a pipe");
}

TEST_F(ClassifyCommandTest, RefusesStandardInputTwice) {
  EXPECT_EQ(Run({"classify", "-", "-"}).code, 2);
}

TEST_F(ClassifyCommandTest, RefusesTooMuchOnStandardInput) {
  ProcessOptions options = Command({"classify", "-"});
  options.input = std::string((20U << 20U) + 1, 'x');
  const ProcessResult result = RunProcess(options);
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.out, HasSubstr("at most 20.0 MiB (20,971,520 bytes)"));
  EXPECT_EQ(fake_.calls(), 0);
}

TEST_F(ClassifyCommandTest, SendsManyPicturesInSeveralRequestsInOrder) {
  std::vector<std::string> words = Pictures(70);
  words.insert(words.end(), {"--request-id", "job"});
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& request,
                              v1::ClassifyResponse& response) {
    FillAnswer(request, response);
    for (int i = 0; i < request.images_size(); ++i) {
      response.mutable_results(i)
          ->mutable_classification()
          ->mutable_predictions(0)
          ->set_label(request.images(i).encoded());
    }
    return grpc::Status::OK;
  };
  const json document = RunJson(words);
  ASSERT_EQ(document["images"].size(), 70U);
  for (std::size_t i = 0; i < 70; ++i) {
    EXPECT_EQ(document["images"][i]["image"], words[i + 1]);
    EXPECT_EQ(document["images"][i]["predictions"][0]["label"],
              "pixels " + std::to_string(i));
  }
  EXPECT_EQ(document["timing"]["requests"], 3);
  EXPECT_EQ(document["timing"]["batch_size"], 32);
  EXPECT_EQ(document["timing"]["decode_ms"], 6.0);
  EXPECT_EQ(document["timing"]["total_ms"], 25.0);
  std::vector<std::string> ids;
  for (const v1::ClassifyRequest& request : fake_.classify_requests()) {
    EXPECT_LE(request.images_size(), 32);
    ids.push_back(request.request_id());
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_THAT(ids, testing::ElementsAre("job-1", "job-2", "job-3"));
}

TEST_F(ClassifyCommandTest, GivesOneBrokenPictureAnErrorOfItsOwn) {
  RefuseBroken();
  const std::vector<std::string> words = {"classify", Picture("a.jpg"),
                                          Picture("b.jpg", "broken"),
                                          Picture("c.jpg")};
  const json document = RunJson(words, 8);
  EXPECT_TRUE(document["images"][0].contains("predictions"));
  EXPECT_EQ(document["images"][1]["error"],
            json::parse(R"({"code": "INVALID_ARGUMENT",
                            "reason": "IMAGE_DECODE_FAILED",
                            "message": "the JPEG ends too early"})"));
  EXPECT_TRUE(document["images"][2].contains("predictions"));

  const ProcessResult result = Run(words);
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.out, HasSubstr("error: the JPEG ends too early"));
  EXPECT_THAT(result.err, HasSubstr("1 of 3 pictures failed"));
}

TEST_F(ClassifyCommandTest, SaysThatTheOnlyPictureIsBroken) {
  RefuseBroken();
  const ProcessResult result = Run({"classify", Picture("b.jpg", "broken")});
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.out, HasSubstr("error: the JPEG ends too early"));
  EXPECT_EQ(result.err, "");
}

TEST_F(ClassifyCommandTest, FindsProblemsOfFilesWithoutAServer) {
  const std::string missing = folder_.File("missing.jpg");
  const std::string empty = Picture("empty.jpg", "");
  const std::string large = Picture("large.jpg", "");
  std::filesystem::resize_file(large, (20U << 20U) + 1);
  const ProcessResult result =
      Run({"classify", missing, empty, large, folder_.path()});
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.out, HasSubstr(missing + "\n  error: does not exist"));
  EXPECT_THAT(result.out, HasSubstr("error: is empty"));
  EXPECT_THAT(result.out, HasSubstr("at most 20.0 MiB"));
  EXPECT_THAT(result.out, HasSubstr("is a directory: name the pictures in it"));
  EXPECT_EQ(fake_.calls(), 0);

  const json document = RunJson({"classify", missing}, 8);
  EXPECT_EQ(document["images"][0]["error"]["reason"], "FILE_NOT_FOUND");
  EXPECT_EQ(document["served_by"], nullptr);
  EXPECT_EQ(document["timing"], nullptr);
}

TEST_F(ClassifyCommandTest, TakesAFileAtTheLimit) {
  const std::string large = Picture("large.jpg", "");
  std::filesystem::resize_file(large, 20U << 20U);
  EXPECT_EQ(Run({"classify", large}).code, 0);
}

TEST_F(ClassifyCommandTest, ClassifiesTheRestBesideAMissingFile) {
  const json document = RunJson(
      {"classify", Picture("a.jpg"), folder_.File("no.jpg"), Picture("b.jpg")},
      8);
  EXPECT_TRUE(document["images"][0].contains("predictions"));
  EXPECT_EQ(document["images"][1]["error"]["reason"], "FILE_NOT_FOUND");
  EXPECT_TRUE(document["images"][2].contains("predictions"));
}

TEST_F(ClassifyCommandTest, SendsNothingWhenFailingFastOnAMissingFile) {
  const json document = RunJson(
      {"classify", "--fail-fast", Picture("a.jpg"), folder_.File("no.jpg")}, 8);
  EXPECT_EQ(document["images"][0]["error"]["reason"], "NOT_SENT");
  EXPECT_EQ(document["images"][1]["error"]["reason"], "FILE_NOT_FOUND");
  EXPECT_EQ(fake_.calls(), 0);
}

TEST_F(ClassifyCommandTest, NamesThePictureThatFailedFast) {
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& /*request*/,
                              v1::ClassifyResponse& /*response*/) {
    google::rpc::Status error =
        RichError(grpc::StatusCode::INVALID_ARGUMENT, "images[1]: a text",
                  "IMAGE_DECODE_FAILED");
    google::rpc::BadRequest bad;
    bad.add_field_violations()->set_field("images[1].encoded");
    error.add_details()->PackFrom(bad);
    return ToGrpc(error);
  };
  const json document = RunJson({"classify", "--fail-fast", Picture("a.jpg"),
                                 Picture("b.jpg"), Picture("c.jpg")},
                                8);
  EXPECT_EQ(document["images"][0]["error"]["reason"], "NOT_SENT");
  EXPECT_EQ(document["images"][1]["error"]["reason"], "IMAGE_DECODE_FAILED");
  EXPECT_EQ(document["images"][1]["error"]["message"], "a text");
  EXPECT_EQ(document["images"][2]["error"]["reason"], "NOT_SENT");
}

TEST_F(ClassifyCommandTest, ReportsAFailedCallOnceForAllPictures) {
  FailClassify(grpc::StatusCode::NOT_FOUND, "there is no model \"cats\"",
               "MODEL_NOT_FOUND");
  const std::vector<std::string> words = Pictures(3);
  const ProcessResult result = Run(words);
  EXPECT_EQ(result.code, 4);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err,
            "error: there is no model \"cats\": `resnetctl models list` shows "
            "what there is\nwarning: 3 of 3 were not classified\n");
  const json document = RunJson(words, 4);
  ASSERT_EQ(document["images"].size(), 3U);
  for (const json& image : document["images"]) {
    EXPECT_EQ(image["error"]["reason"], "MODEL_NOT_FOUND");
  }
}

TEST_F(ClassifyCommandTest, StopsSendingAfterAFailedCall) {
  FailClassify(grpc::StatusCode::NOT_FOUND, "no", "MODEL_NOT_FOUND");
  // Of 20 requests only the 4 of the first round are sent.
  const json document = RunJson(Pictures(640), 4);
  EXPECT_LE(fake_.calls(), 4);
  EXPECT_EQ(document["images"][639]["error"]["reason"], "NOT_SENT");
}

TEST_F(ClassifyCommandTest, ShowsProgressOnATerminalOnly) {
  ProcessOptions options = Command(Pictures(3));
  EXPECT_EQ(RunProcess(options).err, "");

  options.err_is_tty = true;
  ProcessResult result = RunProcess(options);
  EXPECT_THAT(result.err, HasSubstr("classified "));
  EXPECT_THAT(result.err, HasSubstr("3/3"));
  // The line is gone in the end.
  EXPECT_THAT(result.err, testing::EndsWith("\r\x1b[K"));
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));

  options.words.push_back("--quiet");
  EXPECT_EQ(RunProcess(options).err, "");
}

TEST_F(ClassifyCommandTest, RepeatsAnUnavailableServer) {
  auto tries = std::make_shared<std::atomic<int>>(0);
  fake_.hooks().classify = [tries](grpc::ServerContext& /*context*/,
                                   const v1::ClassifyRequest& request,
                                   v1::ClassifyResponse& response) {
    if (++*tries < 3) {
      return ToGrpc(
          RichError(grpc::StatusCode::UNAVAILABLE, "draining", "DRAINING"));
    }
    FillAnswer(request, response);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"classify", Picture("a.jpg")}).code, 0);
  EXPECT_EQ(*tries, 3);
}

TEST_F(ClassifyCommandTest, SaysThatAnUnhealthyServerTakesNoCalls) {
  fake_.SetServing(false);
  const ProcessResult result = Run({"classify", Picture("a.jpg")});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("takes no calls now"));
}

TEST_F(ClassifyCommandTest, EscapesLabelsAndErrorsOfAServer) {
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& request,
                              v1::ClassifyResponse& response) {
    FillAnswer(request, response);
    response.mutable_results(0)
        ->mutable_classification()
        ->mutable_predictions(0)
        ->set_label("\x1b[2Jcat\n\u009bm");
    *response.mutable_results(1)->mutable_error() =
        RichError(grpc::StatusCode::INVALID_ARGUMENT, "bad\x1b[31m", "REASON");
    return grpc::Status::OK;
  };
  const ProcessResult result =
      Run({"classify", Picture("a.jpg"), Picture("b.jpg")});
  EXPECT_THAT(result.out, HasSubstr(R"(\x1b[2Jcat\n\u{9b}m)"));
  EXPECT_THAT(result.out, HasSubstr(R"(bad\x1b[31m)"));
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
}

TEST_F(ClassifyCommandTest, WritesAGrpcurlLineThatTheShellUnderstands) {
  const std::string picture = Picture("it's a cat.jpg");
  const ProcessResult result = Run({"classify", "-v", picture, "-m", "it's"});
  EXPECT_EQ(result.code, 0);
  // grpcurl replaced by a program that prints its words.
  ProcessOptions shell;
  const std::size_t start = result.err.find("like: grpcurl ") + 14;
  shell.words = {"/bin/sh", "-c", "printf '%s\\n' " + result.err.substr(start)};
  const ProcessResult printed = RunProcess(shell);
  EXPECT_EQ(printed.code, 0) << printed.err;
  EXPECT_THAT(printed.out,
              HasSubstr(R"({"images":[{"encoded":"cGl4ZWxz"}],)"
                        R"("options":{"timing":true},"model":"it's"})"));
}

}  // namespace
}  // namespace resnetd::test
