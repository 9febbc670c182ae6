#include "server/models/version_loan.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

// Versions 1 (stable), 2 and 3 of "digits"; 2 is loaded, 3 is not.
class VersionLoanTest : public ::testing::Test {
 protected:
  VersionLoanTest() {
    for (int variant = 1; variant <= 3; ++variant) {
      fixture_.Import("digits", variant);
    }
    Must(manager().Unload(Named("digits"), {3}));
    loads_ = fixture_.loader().loads();
  }
  ModelManager& manager() { return fixture_.manager(); }
  std::unique_ptr<VersionLoan> Borrow(std::int64_t version) {
    return Must(manager().Borrow(Named("digits"), {version}));
  }
  Residency StateOf(std::int64_t version) {
    return Must(manager().GetVersion(Named("digits"), {version})).residency;
  }

  ManagerFixture fixture_;
  int loads_ = 0;
};

TEST_F(VersionLoanTest, WhatIsLoadedIsUsedAsItIsAndStays) {
  {
    const auto answering = Borrow(1);
    const auto idle = Borrow(2);
    EXPECT_EQ(answering->version().facts.version.value, 1);
    EXPECT_EQ(idle->version().facts.version.value, 2);
    EXPECT_FALSE(idle->is_recalled());
  }
  EXPECT_EQ(fixture_.loader().loads(), loads_);
  EXPECT_EQ(StateOf(1), Residency::kReady);
  EXPECT_EQ(StateOf(2), Residency::kReady);
}

TEST_F(VersionLoanTest, WhatIsLoadedForTheLoanIsLetGo) {
  auto loan = Borrow(3);
  EXPECT_EQ(StateOf(3), Residency::kReady);
  EXPECT_EQ(fixture_.loader().loads(), loads_ + 1);
  loan.reset();
  EXPECT_EQ(StateOf(3), Residency::kUnloaded);
}

TEST_F(VersionLoanTest, StaysWhenSomebodyAskedForItMeanwhile) {
  auto loan = Borrow(3);
  Must(manager().Load(Named("digits"), {3}));
  loan.reset();
  EXPECT_EQ(StateOf(3), Residency::kReady);
}

TEST_F(VersionLoanTest, StaysWhenAnAliasNamesItMeanwhile) {
  auto loan = Borrow(3);
  Must(fixture_.Point("digits", "canary", 3));
  loan.reset();
  EXPECT_EQ(StateOf(3), Residency::kReady);
}

TEST_F(VersionLoanTest, IsRecalledWhenItsMemoryIsTaken) {
  auto loan = Borrow(3);
  EXPECT_FALSE(loan->is_recalled());
  Must(manager().Unload(Named("digits"), {3}));
  EXPECT_TRUE(loan->is_recalled());
  loan.reset();
  EXPECT_EQ(StateOf(3), Residency::kUnloaded);
}

TEST_F(VersionLoanTest, ItsNetworkCanReadItsVersionAgain) {
  const auto loan = Borrow(3);
  PrecisionHost* const host = fixture_.loader().host();
  ASSERT_NE(host, nullptr);
  const ModelPackage package = Must(host->Read());
  EXPECT_EQ(package.facts.version.value, 3);
  EXPECT_EQ(package.weights.at("fc.bias").values[3], 103.0F);
  fixture_.Damage(Must(manager().GetVersion(Named("digits"), {3})).row.weights,
                  100);
  EXPECT_EQ(ReasonOf(host->Read().status()), "STORE_CORRUPT");
}

TEST_F(VersionLoanTest, WhatIsNotThereIsNotLent) {
  EXPECT_EQ(ReasonOf(manager().Borrow(Named("digits"), {9}).status()),
            "VERSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(manager().Borrow(Named("birds"), {1}).status()),
            "MODEL_NOT_FOUND");
}

TEST_F(VersionLoanTest, AVersionThatCannotBeLoadedSaysWhy) {
  const VersionView view = Must(manager().GetVersion(Named("digits"), {3}));
  fixture_.Damage(view.row.weights, view.row.weights_bytes / 2);
  EXPECT_EQ(ReasonOf(manager().Borrow(Named("digits"), {3}).status()),
            "STORE_CORRUPT");
}

}  // namespace
}  // namespace resnetd
