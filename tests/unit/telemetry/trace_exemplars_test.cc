#include "server/telemetry/trace_exemplars.h"

#include <gtest/gtest.h>

#include <chrono>

namespace resnetd {
namespace {

WallTime At(int seconds) { return WallTime(std::chrono::seconds(seconds)); }

TEST(TraceExemplarsTest, KeepsTheNewestCallOfEachBucket) {
  TraceExemplars traces({0.1, 1});
  traces.Observe("Classify", "OK", 0.05, "a", At(1));
  traces.Observe("Classify", "OK", 0.1, "b", At(2));
  traces.Observe("Classify", "OK", 0.5, "c", At(3));
  traces.Observe("Classify", "OK", 7, "d", At(4));
  traces.Observe("Classify", "INTERNAL", 7, "e", At(5));
  traces.Observe("Classify", "OK", 7, "", At(6));
  Exemplars exemplars;
  traces.AddTo("h", exemplars);
  ASSERT_EQ(exemplars.size(), 2U);
  const std::vector<Exemplar>& good =
      exemplars.at({"h", {{"code", "OK"}, {"method", "Classify"}}});
  ASSERT_EQ(good.size(), 3U);
  EXPECT_EQ(good[0].trace_id, "b");
  EXPECT_EQ(good[0].value, 0.1);
  EXPECT_EQ(good[1].trace_id, "c");
  EXPECT_EQ(good[2].trace_id, "d");
  EXPECT_EQ(good[2].when, At(4));
}

}  // namespace
}  // namespace resnetd
