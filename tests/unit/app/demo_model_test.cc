#include "server/app/demo_model.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace resnetd {
namespace {

TEST(FindDemoModelTest, FindsTheOneOfTheSourceTreeFromABuildFolder) {
  const auto folder = FindDemoModel();
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_TRUE(std::filesystem::equivalent(
      *folder, std::filesystem::path(RESNETD_SOURCE_DIR) / "models/digits"));
}

}  // namespace
}  // namespace resnetd
