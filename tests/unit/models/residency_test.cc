#include "server/models/residency.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace resnetd {
namespace {

using enum Residency;

TEST(CanFollowTest, IsThisTable) {
  const std::set<std::pair<Residency, Residency>> allowed = {
      {kUnloaded, kLoading}, {kFailed, kLoading}, {kDraining, kLoading},
      {kLoading, kWarming},  {kWarming, kReady},  {kReady, kDraining},
      {kLoading, kFailed},   {kWarming, kFailed}, {kDraining, kUnloaded},
      {kFailed, kUnloaded},
  };
  const std::vector<Residency> all = {kUnloaded, kLoading,  kWarming,
                                      kReady,    kDraining, kFailed};
  for (const Residency from : all) {
    for (const Residency to : all) {
      EXPECT_EQ(CanFollow(from, to), allowed.contains({from, to}))
          << ResidencyName(from) << " -> " << ResidencyName(to);
    }
  }
}

TEST(ResidencyNameTest, IsThatOfTheProto) {
  EXPECT_EQ(std::string(ResidencyName(kUnloaded)), "UNLOADED");
  EXPECT_EQ(std::string(ResidencyName(kLoading)), "LOADING");
  EXPECT_EQ(std::string(ResidencyName(kWarming)), "WARMING");
  EXPECT_EQ(std::string(ResidencyName(kReady)), "READY");
  EXPECT_EQ(std::string(ResidencyName(kDraining)), "DRAINING");
  EXPECT_EQ(std::string(ResidencyName(kFailed)), "FAILED");
}

}  // namespace
}  // namespace resnetd
