#include "server/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <chrono>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

absl::Status Rich() {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
               "too many")
      .Violation("images", "300 of at most 256")
      .Violation("top_k", "0 is too small")
      .Metadata("limit", "256")
      .Metadata("value", "300")
      .Resource("model", "models/digits")
      .RetryAfter(std::chrono::milliseconds(20));
}

TEST(ErrorTest, CarriesEveryDetail) {
  const absl::Status status = Rich();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()), "too many");
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(details.metadata,
              ElementsAre(Pair("limit", "256"), Pair("value", "300")));
  EXPECT_THAT(details.violations,
              ElementsAre(Pair("images", "300 of at most 256"),
                          Pair("top_k", "0 is too small")));
  EXPECT_THAT(*details.resource, Pair("model", "models/digits"));
  EXPECT_EQ(*details.retry_after, std::chrono::milliseconds(20));
}

TEST(ErrorTest, CarriesNothingThatWasNotSaid) {
  const absl::Status status =
      Error(absl::StatusCode::kInternal, Reason::kInternal, "text");
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "INTERNAL");
  EXPECT_THAT(details.metadata, IsEmpty());
  EXPECT_THAT(details.violations, IsEmpty());
  EXPECT_FALSE(details.resource);
  EXPECT_FALSE(details.retry_after);
}

TEST(ErrorTest, IsReturnedAsStatusAndStatusOr) {
  const auto fails = []() -> absl::StatusOr<int> {
    return Error(absl::StatusCode::kNotFound, Reason::kModelNotFound, "none");
  };
  EXPECT_EQ(DetailsOf(fails().status()).reason, "MODEL_NOT_FOUND");
}

TEST(ErrorTest, AddsViolationsInALoop) {
  Error error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid, "");
  for (const char* field : {"a", "b", "c"}) {
    error.AddViolation(field, "wrong");
  }
  EXPECT_THAT(
      DetailsOf(std::move(error)).violations,
      ElementsAre(Pair("a", "wrong"), Pair("b", "wrong"), Pair("c", "wrong")));
}

TEST(ErrorTest, KeepsAnyBytes) {
  std::mt19937 random(3);
  for (int i = 0; i < 500; ++i) {
    const auto text = [&random] {
      std::string bytes(random() % 40, '\0');
      for (char& c : bytes) {
        c = "\0:9mrstv\n\xff\"x"[random() % 12];
      }
      return bytes;
    };
    const std::string key = text();
    const std::string value = text();
    const std::string field = text();
    const std::string description = text();
    const ErrorDetails details =
        DetailsOf(Error(absl::StatusCode::kInternal, Reason::kInternal, "")
                      .Metadata(key, value)
                      .Violation(field, description)
                      .Metadata(value, key)
                      .Resource(description, field));
    EXPECT_THAT(details.metadata,
                ElementsAre(Pair(key, value), Pair(value, key)));
    EXPECT_THAT(details.violations, ElementsAre(Pair(field, description)));
    EXPECT_THAT(*details.resource, Pair(description, field));
  }
}

TEST(DetailsOfTest, IsEmptyForOtherErrors) {
  EXPECT_EQ(DetailsOf(absl::OkStatus()).reason, "");
  EXPECT_EQ(DetailsOf(absl::InternalError("x")).reason, "");
  absl::Status foreign = absl::InternalError("x");
  foreign.SetPayload("somebody/else", absl::Cord("r8:INTERNAL0:"));
  EXPECT_EQ(DetailsOf(foreign).reason, "");
}

// A payload under our name that is cut or made up is read as far as it goes.
TEST(DetailsOfTest, SurvivesDamagedPayloads) {
  std::string payload;
  Rich().ForEachPayload([&](absl::string_view, const absl::Cord& bytes) {
    payload = std::string(bytes);
  });
  std::string url;
  Rich().ForEachPayload([&](absl::string_view name, const absl::Cord&) {
    url = std::string(name);
  });
  ASSERT_FALSE(payload.empty());
  std::mt19937 random(4);
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = payload.substr(0, random() % (payload.size() + 1));
    for (unsigned edit = random() % 4; edit > 0 && !damaged.empty(); --edit) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    absl::Status status = absl::InternalError("x");
    status.SetPayload(url, absl::Cord(damaged));
    EXPECT_LE(DetailsOf(status).metadata.size(), payload.size());
  }
  absl::Status status = absl::InternalError("x");
  status.SetPayload(url, absl::Cord("r18446744073709551615:INTERNAL"));
  EXPECT_EQ(DetailsOf(status).reason, "");
}

TEST(AnnotateTest, KeepsCodeAndDetailsAndAddsTheField) {
  const absl::Status status = Annotate(Rich(), "image 3: ", "images[3]");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()), "image 3: too many");
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(details.metadata.size(), 2U);
  EXPECT_THAT(details.violations.back(), Pair("images[3]", "too many"));
  EXPECT_EQ(*details.retry_after, std::chrono::milliseconds(20));
}

TEST(AnnotateTest, LeavesViolationsAloneWithoutAField) {
  EXPECT_EQ(DetailsOf(Annotate(Rich(), "x: ")).violations.size(), 2U);
}

TEST(AnnotateTest, KeepsOkAsItIs) {
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x: ", "field").ok());
}

TEST(ReasonNameTest, IsDistinctUpperCaseForEveryReason) {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(Reason::kBackendUnavailable); ++i) {
    const std::string name(ReasonName(static_cast<Reason>(i)));
    EXPECT_FALSE(name.empty());
    for (const char c : name) {
      EXPECT_TRUE(c == '_' || (c >= 'A' && c <= 'Z')) << name;
    }
    EXPECT_TRUE(names.insert(name).second) << name;
  }
}

}  // namespace
}  // namespace resnetd
