// `resnetctl embed` as a process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/unit/client/resnetctl_fixture.h"

namespace resnetd::test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using nlohmann::json;

using EmbedCommandTest = ResnetctlTest;

TEST_F(EmbedCommandTest, ShowsHowManyValuesThereAreAndHowLarge) {
  const std::string picture = Picture("cat.jpg", "twelve bytes");
  const ProcessResult result = Run({"embed", picture});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            picture +
                "\n"
                "  3 values, norm 12.18: 12 0.5 -2\n"
                "digits version 3 on engine in fp32: queue 0.10 ms, decode "
                "2.00 ms, preprocess 0.50 ms, compute 20.0 ms, total 25.0 "
                "ms\n");
}

TEST_F(EmbedCommandTest, TheDocumentHasEveryValue) {
  const json document = RunJson(
      {"embed", Picture("a.jpg", "abc"), Picture("b.jpg", "broken")}, 8);
  EXPECT_EQ(document["images"][0]["embedding"], json({3, 0.5, -2}));
  EXPECT_EQ(document["images"][0]["version"], 3);
  EXPECT_EQ(document["images"][1]["error"]["reason"], "IMAGE_DECODE_FAILED");
  EXPECT_FALSE(document["images"][1].contains("embedding"));
  EXPECT_EQ(document["served_by"]["model"], "models/digits");
  EXPECT_EQ(document["timing"]["requests"], 1);
}

TEST_F(EmbedCommandTest, SendsWhatTheOptionsSay) {
  Run({"embed", Picture("a.jpg"), Picture("b.jpg"), "-m", "digits@stable",
       "--request-id", "job-1", "--fail-fast"});
  const v1::EmbedRequest request = fake_.embed_requests().at(0);
  EXPECT_EQ(request.model(), "models/digits/aliases/stable");
  EXPECT_EQ(request.request_id(), "job-1");
  EXPECT_EQ(request.priority(), v1::PRIORITY_BATCH);
  EXPECT_TRUE(request.fail_fast());
  EXPECT_TRUE(request.options().timing());
  EXPECT_EQ(request.images_size(), 2);
}

TEST_F(EmbedCommandTest, WritesAFileForNumPyWithARowForEachPicture) {
  const std::string path = folder_.File("out.npy");
  const ProcessResult result =
      Run({"embed", Picture("a.jpg", "abc"), Picture("b.jpg", "broken"),
           Picture("c.jpg", "abcd"), "--npy", path});
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.err, HasSubstr("wrote " + path + ": 3 x 3\n"));
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(content, StartsWith("\x93NUMPY"));
  EXPECT_THAT(content, HasSubstr("'shape': (3, 3)"));
  // The last row: 4, 0.5, -2.
  EXPECT_THAT(content, EndsWith(std::string("\x00\x00\x80\x40\x00\x00\x00\x3f"
                                            "\x00\x00\x00\xc0",
                                            12)));
}

TEST_F(EmbedCommandTest, AFileThatIsThereIsReplacedOnlyIfToldTo) {
  const std::string path = folder_.Write("out.npy", "mine");
  const std::vector<std::string> words = {"embed", Picture("a.jpg"), "--npy",
                                          path};
  ProcessResult result = Run(words);
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_EQ(fake_.calls(), 0);
  EXPECT_EQ(std::filesystem::file_size(path), 4U);
  std::vector<std::string> forced = words;
  forced.push_back("--force");
  result = Run(forced);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_GT(std::filesystem::file_size(path), 4U);
}

TEST_F(EmbedCommandTest, AFailedCallLeavesNoFile) {
  fake_.hooks().embed = [](const v1::EmbedRequest& /*request*/,
                           v1::EmbedResponse& /*response*/) {
    return ToGrpc(RichError(grpc::StatusCode::FAILED_PRECONDITION,
                            "no embeddings here", "UNSUPPORTED"));
  };
  const std::string path = folder_.File("out.npy");
  const ProcessResult result = Run({"embed", Picture("a.jpg"), "--npy", path});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("no embeddings here"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(EmbedCommandTest, RefusesStandardInputTwice) {
  EXPECT_EQ(Run({"embed", "-", "-"}).code, 2);
  EXPECT_EQ(Run({"embed"}).code, 2);
}

}  // namespace
}  // namespace resnetd::test
