// `resnetctl classify --stream` as a process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "absl/strings/str_cat.h"
#include "tests/unit/client/resnetctl_fixture.h"

namespace resnetd::test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using nlohmann::json;

class StreamCommandTest : public ResnetctlTest {
 protected:
  std::vector<std::string> Pictures(int count) const {
    std::vector<std::string> paths;
    for (int i = 0; i < count; ++i) {
      paths.push_back(
          Picture(absl::StrCat(i, ".jpg"), absl::StrCat("pixels ", i)));
    }
    return paths;
  }

  // The documents that a command prints, a line each.
  static std::vector<json> Lines(const ProcessResult& result) {
    std::vector<json> documents;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      documents.push_back(json::parse(line));
    }
    return documents;
  }

  ProcessResult RunLines(std::vector<std::string> words, int code = 0,
                         const std::string& input = "") const {
    words.insert(words.begin(), {"classify", "--stream"});
    words.insert(words.end(), {"-o", "json"});
    ProcessOptions options = Command(words);
    options.input = input;
    const ProcessResult result = RunProcess(options);
    EXPECT_EQ(result.code, code) << result.err;
    return result;
  }
};

TEST_F(StreamCommandTest, EachPictureIsARequestOfOneStream) {
  const std::vector<std::string> paths = Pictures(100);
  const std::vector<json> lines = Lines(RunLines(paths));
  ASSERT_EQ(lines.size(), 101U);
  std::vector<bool> seen(100);
  for (std::size_t i = 0; i < 100; ++i) {
    const auto index = lines[i]["index"].get<std::size_t>();
    EXPECT_FALSE(seen.at(index));
    seen.at(index) = true;
    EXPECT_EQ(lines[i]["image"], paths[index]);
    EXPECT_EQ(lines[i]["version"], 3);
    EXPECT_EQ(lines[i]["predictions"][0]["label"], "tabby cat");
  }
  EXPECT_EQ(lines[100]["served_by"]["model"], "models/digits");
  EXPECT_EQ(lines[100]["timing"]["requests"], 100);
  EXPECT_EQ(fake_.streams(), 1);
  for (const v1::ClassifyRequest& request : fake_.classify_requests()) {
    EXPECT_EQ(request.images_size(), 1);
    EXPECT_EQ(request.priority(), v1::PRIORITY_BATCH);
  }
}

TEST_F(StreamCommandTest, NamesComeFromAFileOrFromStandardInput) {
  const std::vector<std::string> paths = Pictures(3);
  const std::string list = folder_.Write(
      "list", absl::StrCat(paths[0], "\n\n", paths[1], "\r\n", paths[2]));
  EXPECT_EQ(Lines(RunLines({"--files-from", list})).size(), 4U);
  const std::vector<json> lines =
      Lines(RunLines({paths[0], "--files-from", "-"}, 0,
                     absl::StrCat(paths[1], "\n", paths[2], "\n")));
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[3]["timing"]["requests"], 3);
}

TEST_F(StreamCommandTest, OneBadPictureAndOneMissingFileFailAlone) {
  fake_.hooks().classify = [](grpc::ServerContext& /*context*/,
                              const v1::ClassifyRequest& request,
                              v1::ClassifyResponse& response) {
    if (request.images(0).encoded() == "broken") {
      return ToGrpc(RichError(grpc::StatusCode::INVALID_ARGUMENT,
                              "the JPEG ends too early",
                              "IMAGE_DECODE_FAILED"));
    }
    FillAnswer(request, response);
    return grpc::Status::OK;
  };
  const std::vector<std::string> words = {"classify",
                                          "--stream",
                                          Picture("a.jpg"),
                                          Picture("b.jpg", "broken"),
                                          folder_.File("none.jpg"),
                                          Picture("d.jpg")};
  const ProcessResult result = Run(words);
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.out, HasSubstr("error: the JPEG ends too early"));
  EXPECT_THAT(result.out, HasSubstr("error: does not exist"));
  EXPECT_THAT(result.out, HasSubstr("d.jpg\n  tabby cat"));
  EXPECT_THAT(result.err, HasSubstr("2 of 4 pictures failed"));
}

TEST_F(StreamCommandTest, AnErrorThatIsNotAboutAPictureIsToldOnce) {
  FailClassify(grpc::StatusCode::NOT_FOUND, "there is no model \"cats\"",
               "MODEL_NOT_FOUND");
  const ProcessResult result =
      Run({"classify", "--stream", Picture("a.jpg"), Picture("b.jpg"), "-q"});
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_EQ(result.err.find("there is no model"),
            result.err.rfind("there is no model"));
}

TEST_F(StreamCommandTest, ShowsHowFarItIsOnATerminalOnly) {
  std::vector<std::string> words = {"classify", "--stream"};
  const std::vector<std::string> paths = Pictures(3);
  words.insert(words.end(), paths.begin(), paths.end());
  ProcessOptions options = Command(words);
  EXPECT_THAT(RunProcess(options).err, IsEmpty());
  options.err_is_tty = true;
  ProcessResult result = RunProcess(options);
  EXPECT_THAT(result.err, HasSubstr("3/3"));
  EXPECT_THAT(result.err, EndsWith("\r\x1b[K"));
  // Of a list nobody knows how long it is.
  options.words.insert(options.words.end(), {"--files-from", "-"});
  result = RunProcess(options);
  EXPECT_THAT(result.err, HasSubstr("classified 3"));
  EXPECT_THAT(result.err, EndsWith("\r\x1b[K"));
}

TEST_F(StreamCommandTest, ContradictionsAreWrongUsage) {
  EXPECT_EQ(Run({"classify", "a.jpg", "--files-from", "x"}).code, 2);
  EXPECT_EQ(Run({"classify", "--stream"}).code, 2);
  EXPECT_EQ(Run({"classify", "--stream", "a", "--request-id", "x"}).code, 2);
  EXPECT_EQ(Run({"classify", "--stream", "-", "--files-from", "-"}).code, 2);
  const ProcessResult result =
      Run({"classify", "--stream", "--files-from", folder_.File("none")});
  EXPECT_EQ(result.code, 8);
  EXPECT_THAT(result.err, HasSubstr("none: cannot be read"));
  EXPECT_EQ(fake_.calls(), 0);
}

}  // namespace
}  // namespace resnetd::test
