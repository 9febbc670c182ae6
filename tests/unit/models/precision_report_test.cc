#include "server/models/precision_report.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace resnetd {
namespace {

TEST(PrecisionReportTest, EveryObjectionHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const PrecisionObjection objection :
       {PrecisionObjection::kNone, PrecisionObjection::kNoPictures,
        PrecisionObjection::kTooFewPictures, PrecisionObjection::kUnsupported,
        PrecisionObjection::kDisagrees, PrecisionObjection::kSlower,
        PrecisionObjection::kNoMemory, PrecisionObjection::kFailed}) {
    names.insert(PrecisionObjectionName(objection));
  }
  EXPECT_EQ(names, (std::set<std::string>{
                       "none", "no_pictures", "too_few_pictures", "unsupported",
                       "disagrees", "slower", "no_memory", "failed"}));
}

}  // namespace
}  // namespace resnetd
