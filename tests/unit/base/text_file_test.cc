#include "server/base/text_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

TEST(ReadTextFileTest, ReadsAllOfIt) {
  const TempDir folder;
  const std::string path = folder.File("limits");
  std::ofstream(path) << "max 100000\n\nlast";
  EXPECT_EQ(ReadTextFile(path), "max 100000\n\nlast");
  // Whose size nobody tells.
  EXPECT_NE(ReadTextFile("/proc/self/stat"), "");
}

TEST(ReadTextFileTest, WhatCannotBeReadIsEmpty) {
  const TempDir folder;
  EXPECT_EQ(ReadTextFile(folder.File("none")), "");
  EXPECT_EQ(ReadTextFile(folder.path()), "");
}

}  // namespace
}  // namespace resnetd
