#include "client/retry_policy.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "resnetd/v1/classification_service.pb.h"
#include "resnetd/v1/dataset_service.pb.h"
#include "resnetd/v1/fine_tune_service.pb.h"
#include "resnetd/v1/gradient_lab_service.pb.h"
#include "resnetd/v1/model_service.pb.h"
#include "resnetd/v1/server_service.pb.h"

namespace resnetd::client {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

std::vector<const google::protobuf::MethodDescriptor*> AllMethods() {
  std::vector<const google::protobuf::MethodDescriptor*> methods;
  for (const google::protobuf::FileDescriptor* file :
       {v1::ClassifyRequest::descriptor()->file(),
        v1::CreateDatasetRequest::descriptor()->file(),
        v1::CreateFineTuneJobRequest::descriptor()->file(),
        v1::ProbeGradientsRequest::descriptor()->file(),
        v1::GetModelRequest::descriptor()->file(),
        v1::GetServerInfoRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int k = 0; k < file->service(i)->method_count(); ++k) {
        methods.push_back(file->service(i)->method(k));
      }
    }
  }
  return methods;
}

// Of the request, or of the header that a stream of it begins with.
bool HasRequestId(const google::protobuf::Descriptor& request) {
  const auto* header = request.FindFieldByName("header");
  return request.FindFieldByName("request_id") != nullptr ||
         (header != nullptr &&
          header->message_type()->FindFieldByName("request_id") != nullptr);
}

TEST(RepetitionOfTest, NoMethodIsForgottenAndEachRequestIsNamedLikeIts) {
  const auto methods = AllMethods();
  EXPECT_GE(methods.size(), 40U);
  for (const auto* method : methods) {
    EXPECT_EQ(method->input_type()->name(), method->name() + "Request");
    if (RepetitionOf(method->name()) == Repetition::kNever) {
      // A stream that begins anew would tell everything twice.
      EXPECT_TRUE(method->server_streaming()) << method->name();
    }
  }
}

TEST(RepetitionOfTest, AChangeNeedsTheIdByWhichTheServerKnowsItAgain) {
  for (const auto* method : AllMethods()) {
    const bool has_id = HasRequestId(*method->input_type());
    // The request_id of Classify names it in logs.
    const bool changes = has_id && method->name() != "Classify" &&
                         method->name() != "ClassifyStream" &&
                         method->name() != "Embed";
    EXPECT_EQ(RepetitionOf(method->name()) == Repetition::kNeedsId, changes)
        << method->name();
  }
}

TEST(MayRepeatTest, TellsReadsChangesAndStreamsApart) {
  EXPECT_TRUE(MayRepeat("Classify", false));
  EXPECT_TRUE(MayRepeat("ListFineTuneJobs", false));
  EXPECT_FALSE(MayRepeat("CreateFineTuneJob", false));
  EXPECT_TRUE(MayRepeat("CreateFineTuneJob", true));
  EXPECT_FALSE(MayRepeat("WatchModels", true));
  EXPECT_FALSE(MayRepeat("FormatDisk", true));
  EXPECT_FALSE(MayRepeat("", true));
}

TEST(PushbackOfTest, TheMetadataWinsAndOnlyANumberIsAWish) {
  EXPECT_FALSE(PushbackOf({}, {}).after);
  EXPECT_FALSE(PushbackOf({}, {}).never);
  EXPECT_EQ(PushbackOf({}, milliseconds(7)).after, milliseconds(7));
  EXPECT_EQ(PushbackOf({}, milliseconds(-7)).after, nanoseconds(0));
  EXPECT_EQ(PushbackOf("25", milliseconds(7)).after, milliseconds(25));
  EXPECT_EQ(PushbackOf("0", {}).after, nanoseconds(0));
  EXPECT_GT(*PushbackOf("9223372036854775807", {}).after, seconds(1000));
  for (const char* no : {"-1", "soon", "", "1.5", "99999999999999999999"}) {
    EXPECT_TRUE(PushbackOf(no, milliseconds(7)).never) << no;
    EXPECT_FALSE(PushbackOf(no, milliseconds(7)).after) << no;
  }
}

struct Row {
  std::string name;
  FailedTry failed;
  int tries = 1;
  nanoseconds left = seconds(10);
  double uniform = 0.5;
  std::optional<nanoseconds> pause = {};
};

TEST(PauseBeforeNextTest, DecidesByCodeReasonAndWishOfTheServer) {
  const Pushback in_20ms{.after = milliseconds(20)};
  const Pushback never{.never = true};
  const std::vector<Row> rows = {
      {"unavailable",
       {StatusCode::kUnavailable},
       1,
       seconds(10),
       0.5,
       milliseconds(50)},
      {"the second time",
       {StatusCode::kUnavailable},
       2,
       seconds(10),
       0.5,
       milliseconds(100)},
      {"the third time",
       {StatusCode::kUnavailable},
       3,
       seconds(10),
       0.5,
       milliseconds(200)},
      {"the last try", {StatusCode::kUnavailable}, 4},
      {"spread down",
       {StatusCode::kUnavailable},
       1,
       seconds(10),
       0,
       milliseconds(25)},
      {"cancelled by nobody",
       {StatusCode::kCancelled},
       1,
       seconds(10),
       0.5,
       milliseconds(50)},
      {"cancelled by the server", {StatusCode::kCancelled, "CANCELLED"}},
      {"full", {StatusCode::kResourceExhausted, "QUEUE_FULL"}},
      {"full, come again",
       {StatusCode::kResourceExhausted, "QUEUE_FULL", in_20ms},
       1,
       seconds(10),
       0.5,
       milliseconds(22)},
      {"never earlier than told",
       {StatusCode::kResourceExhausted, "QUEUE_FULL", in_20ms},
       3,
       seconds(10),
       0,
       milliseconds(20)},
      {"full, stay away",
       {StatusCode::kResourceExhausted, "QUEUE_FULL", never}},
      {"unavailable, stay away", {StatusCode::kUnavailable, "STARTING", never}},
      {"starting, come again",
       {StatusCode::kUnavailable, "STARTING", in_20ms},
       1,
       seconds(10),
       0,
       milliseconds(20)},
      {"one of several goes away",
       {StatusCode::kUnavailable, "DRAINING", {.after = seconds(1)}},
       1,
       seconds(10),
       0.5,
       milliseconds(50)},
      {"just in time",
       {StatusCode::kUnavailable},
       1,
       milliseconds(50) + nanoseconds(1),
       0.5,
       milliseconds(50)},
      {"not in time", {StatusCode::kUnavailable}, 1, milliseconds(50)},
      {"the deadline has passed",
       {StatusCode::kUnavailable},
       1,
       nanoseconds(-1)},
      {"too late", {StatusCode::kDeadlineExceeded, "", in_20ms}},
      {"a bad request", {StatusCode::kInvalidArgument, "", in_20ms}},
      {"a fault", {StatusCode::kInternal, "", in_20ms}},
      {"a lost race", {StatusCode::kAborted, "", in_20ms}},
      {"unknown", {StatusCode::kUnknown, "", in_20ms}},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(PauseBeforeNext(row.failed, row.tries, row.left, row.uniform),
              row.pause)
        << row.name;
  }
}

TEST(PauseBeforeNextTest, PausesGrowToALongest) {
  const RetryLimits limits{.most_tries = 100};
  EXPECT_EQ(
      PauseBeforeNext({StatusCode::kUnavailable}, 5, seconds(10), 0.5, limits),
      milliseconds(800));
  EXPECT_EQ(
      PauseBeforeNext({StatusCode::kUnavailable}, 6, seconds(10), 0.5, limits),
      seconds(1));
  EXPECT_EQ(
      PauseBeforeNext({StatusCode::kUnavailable}, 99, seconds(10), 0.5, limits),
      seconds(1));
  EXPECT_FALSE(PauseBeforeNext({StatusCode::kUnavailable}, 100, seconds(10),
                               0.5, limits));
}

TEST(RetryBudgetTest, AllowsTwentyAtFirstAndThenATenthOfTheCalls) {
  RetryBudget budget(0.1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(budget.Withdraw());
  }
  EXPECT_FALSE(budget.Withdraw());
  int repeated = 0;
  for (int call = 0; call < 1000; ++call) {
    budget.Deposit();
    for (int i = 0; i < 3; ++i) {
      repeated += budget.Withdraw() ? 1 : 0;
    }
  }
  EXPECT_GE(repeated, 99);
  EXPECT_LE(repeated, 100);
}

TEST(RetryBudgetTest, SavesAHundredAndNoMore) {
  RetryBudget budget(1);
  for (int call = 0; call < 1000; ++call) {
    budget.Deposit();
  }
  int repeated = 0;
  while (budget.Withdraw()) {
    ++repeated;
  }
  EXPECT_EQ(repeated, 100);
}

TEST(RetryBudgetTest, WithoutAShareTheFirstTwentyAreAll) {
  RetryBudget budget(0);
  int repeated = 0;
  for (int call = 0; call < 1000; ++call) {
    budget.Deposit();
    repeated += budget.Withdraw() ? 1 : 0;
  }
  EXPECT_EQ(repeated, 20);
}

}  // namespace
}  // namespace resnetd::client
