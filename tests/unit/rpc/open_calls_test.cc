#include "server/rpc/open_calls.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/sha256.h"

namespace resnetd {
namespace {

constexpr WallTime kNow{std::chrono::hours(400000)};

std::string DigestOf(const std::string& token) {
  return Sha256Hex(AsBytes(token));
}

Grant TokenOf(const std::string& name, Role role = Role::kClassifier) {
  return {.name = name, .role = role, .token_sha256 = DigestOf(name)};
}

CancelFlag Flag() { return std::make_shared<std::atomic<bool>>(false); }

std::string ReasonOf(const OpenCalls::Call& call) {
  const auto why = call.revoked();
  return why ? DetailsOf(*why).reason : "";
}

class OpenCallsTest : public testing::Test {
 protected:
  std::shared_ptr<OpenCalls::Call> Add(const std::string& token) {
    return calls_.Add({.token_sha256 = DigestOf(token)}, "ClassifyStream",
                      flag_);
  }
  std::size_t RecheckWith(std::vector<Grant> grants, WallTime now = kNow) {
    access_.Replace(AccessList(std::move(grants)));
    return calls_.Recheck(access_, now);
  }

  OpenCalls calls_;
  AccessControl access_;
  CancelFlag flag_ = Flag();
};

TEST_F(OpenCallsTest, ACallWhoseGrantStandsGoesOn) {
  const auto call = Add("a");
  EXPECT_EQ(RecheckWith({TokenOf("a"), TokenOf("b")}), 0U);
  // More than it needs.
  EXPECT_EQ(RecheckWith({TokenOf("a", Role::kOperator)}), 0U);
  EXPECT_FALSE(call->revoked().has_value());
  EXPECT_FALSE(flag_->load());
}

TEST_F(OpenCallsTest, ATokenTakenBackEndsItsCallsAndNoOthers) {
  const auto call = Add("a");
  const auto other =
      calls_.Add({.token_sha256 = DigestOf("b")}, "ClassifyStream", Flag());
  EXPECT_EQ(RecheckWith({TokenOf("b")}), 1U);
  EXPECT_EQ(ReasonOf(*call), "CREDENTIALS_WRONG");
  EXPECT_EQ(call->revoked()->code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(flag_->load());
  EXPECT_EQ(ReasonOf(*other), "");
}

TEST_F(OpenCallsTest, TheTokenCountsAndNotTheNameItHad) {
  const auto call = Add("a");
  Grant renewed = TokenOf("new");
  renewed.name = "a";
  EXPECT_EQ(RecheckWith({renewed}), 1U);
  EXPECT_EQ(ReasonOf(*call), "CREDENTIALS_WRONG");
}

TEST_F(OpenCallsTest, ARoleThatShrankEndsWhatItNoLongerIncludes) {
  const auto call = Add("a");
  const auto list =
      calls_.Add({.token_sha256 = DigestOf("a")}, "ListModels", Flag());
  EXPECT_EQ(RecheckWith({TokenOf("a", Role::kViewer)}), 1U);
  EXPECT_EQ(ReasonOf(*call), "ROLE_MISSING");
  EXPECT_EQ(call->revoked()->code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ReasonOf(*list), "");
}

TEST_F(OpenCallsTest, AGrantThatEndsEndsItsCallsToTheInstant) {
  const auto call = Add("a");
  Grant grant = TokenOf("a");
  grant.not_after = kNow;
  EXPECT_EQ(RecheckWith({grant}, kNow - std::chrono::seconds(1)), 0U);
  EXPECT_EQ(RecheckWith({grant}, kNow), 1U);
  EXPECT_EQ(ReasonOf(*call), "CREDENTIALS_EXPIRED");
}

TEST_F(OpenCallsTest, ACertificateTakenBackEndsItsCalls) {
  const auto call =
      calls_.Add({.certificate_names = {"spiffe://x/edge", "edge"}},
                 "ClassifyStream", flag_);
  EXPECT_EQ(
      RecheckWith(
          {{.name = "edge", .role = Role::kClassifier, .certificate = "edge"}}),
      0U);
  EXPECT_EQ(RecheckWith({}), 1U);
  EXPECT_EQ(ReasonOf(*call), "CREDENTIALS_WRONG");
}

TEST_F(OpenCallsTest, WhatHasEndedIsToldOnceAndForgotten) {
  const auto call = Add("a");
  EXPECT_EQ(RecheckWith({}), 1U);
  EXPECT_EQ(RecheckWith({}), 0U);
  // Given again, it does not come to life again.
  EXPECT_EQ(RecheckWith({TokenOf("a")}), 0U);
  EXPECT_TRUE(call->revoked().has_value());
  EXPECT_EQ(calls_.size(), 1U);
  calls_.Remove(call);
  EXPECT_EQ(calls_.size(), 0U);
  const auto gone = Add("b");
  calls_.Remove(gone);
  EXPECT_EQ(RecheckWith({}), 0U);
  EXPECT_FALSE(gone->revoked().has_value());
}

}  // namespace
}  // namespace resnetd
