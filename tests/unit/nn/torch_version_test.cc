#include "server/nn/torch_version.h"

#include <gtest/gtest.h>

namespace resnetd {
namespace {

TEST(TorchVersionTest, TakesTheLibraryThatItWasBuiltFor) {
  EXPECT_TRUE(CheckTorchVersion().ok());
}

}  // namespace
}  // namespace resnetd
