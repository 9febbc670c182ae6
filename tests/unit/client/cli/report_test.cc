#include "client/cli/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/cli/grpcurl.h"
#include "client/cli/json.h"
#include "client/error_info.h"

namespace resnetd::cli {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

TEST(ExplainTest, SaysWhatToDo) {
  EXPECT_EQ(Explain(client::ClientError(StatusCode::kUnavailable,
                                        client::kReasonNoConnection,
                                        "no server at localhost:8001")),
            "no server at localhost:8001: start one with ./dev run, or name "
            "one with --server HOST:PORT or RESNETD_SERVER");
  EXPECT_THAT(Explain(client::ClientError(StatusCode::kNotFound,
                                          "MODEL_NOT_FOUND", "no model")),
              HasSubstr("resnetctl models list"));
  EXPECT_THAT(Explain(absl::DeadlineExceededError("late")),
              HasSubstr("--timeout 30s"));
  EXPECT_THAT(Explain(absl::UnimplementedError("")),
              HasSubstr("UNIMPLEMENTED: is this a resnetd server?"));
}

TEST(ExplainTest, LeavesATextThatSaysItAll) {
  EXPECT_EQ(Explain(absl::InvalidArgumentError("top_k is 0")), "top_k is 0");
}

TEST(ExplainTest, EscapesTheServersText) {
  EXPECT_EQ(Explain(absl::InvalidArgumentError("a\x1b[2J")), R"(a\x1b[2J)");
}

TEST(ReportErrorTest, WritesToStderrAndGivesTheExitCode) {
  std::ostringstream out;
  std::ostringstream err;
  const Console console = {.out = out, .err = err, .terminal = {}};
  EXPECT_EQ(ReportError(console, absl::NotFoundError("no")),
            ExitCode::kNotFound);
  EXPECT_EQ(err.str(), "error: no\n");
  EXPECT_EQ(out.str(), "");
}

TEST(ShellQuotedTest, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(ShellQuoted("/a/b-c_1.jpg"), "/a/b-c_1.jpg");
  EXPECT_EQ(ShellQuoted("a b"), "'a b'");
  EXPECT_EQ(ShellQuoted("it's"), R"('it'\''s')");
  EXPECT_EQ(ShellQuoted("$(x)"), "'$(x)'");
  EXPECT_EQ(ShellQuoted(""), "''");
}

TEST(GrpcurlLineTest, AsksTheFirstServerOfAList) {
  EXPECT_EQ(GrpcurlLine("a:1,b:2", "x/Y", ""), "grpcurl -plaintext a:1 x/Y");
}

TEST(GrpcurlLineTest, ConnectsAsTheClientDoesAndLetsTheShellReadTheToken) {
  EXPECT_EQ(
      GrpcurlLine(
          "h:1", "S/M", "",
          {.ca_file = "c a.pem", .server_name = "n", .token_file = "t"}),
      "grpcurl -cacert 'c a.pem' -authority n -H \"authorization: Bearer $(cat "
      "t)\" h:1 S/M");
  EXPECT_EQ(GrpcurlLine("h:1", "S/M", "", {.token_file = "t"}),
            "grpcurl -plaintext -H \"authorization: Bearer $(cat t)\" h:1 S/M");
}

TEST(GrpcurlLineTest, LeavesOutAnEmptyRequest) {
  EXPECT_EQ(GrpcurlLine("h:1", "S/M", ""), "grpcurl -plaintext h:1 S/M");
  EXPECT_EQ(GrpcurlLine("h:1", "S/M", "{}"),
            "grpcurl -plaintext -d '{}' h:1 S/M");
}

TEST(JsonTextTest, IsUtf8AndSafeWhateverTheServerSends) {
  const std::string text = JsonText({{"a", "\xff\x1b\u009b猫"}});
  EXPECT_EQ(text, "{\n  \"a\": \"\ufffd\\u001b\\u009b猫\"\n}\n");
}

TEST(ErrorJsonTest, HasReasonAndRetry) {
  EXPECT_EQ(
      ErrorJson(absl::InternalError("x")),
      Json::parse(R"({"code": "INTERNAL", "reason": "", "message": "x"})"));
}

TEST(LogitsJsonTest, WritesFloatsAsShortAsTheyAre) {
  EXPECT_EQ(
      LogitsJson({.predictions = {}, .logits = {0.1F, 1e-7F, 3.0F}}).dump(),
      "[0.1,1e-07,3.0]");
}

}  // namespace
}  // namespace resnetd::cli
