#include "client/cli/bench_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace resnetd::cli {
namespace {

using client::CallEnd;
using client::LoadFigures;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

// `answers` calls of `latency` each within `length`, one of them late.
LoadFigures Figures(int answers, Duration latency,
                    Duration length = seconds(2)) {
  LoadFigures figures;
  figures.rate = 100;
  figures.length = length;
  figures.answered_within = static_cast<std::size_t>(answers);
  for (int i = 0; i < answers; ++i) {
    figures.latencies[CallEnd::kAnswered].Record(latency);
  }
  figures.latencies[CallEnd::kLate].Record(seconds(1));
  figures.errors["DEADLINE_EXCEEDED"] = 1;
  figures.calls = static_cast<std::size_t>(answers) + 1;
  return figures;
}

BenchSide Side(std::vector<std::vector<LoadFigures>> rounds) {
  return {.server = "host:8001",
          .models = {"models/digits", "models/cats/versions/2"},
          .rounds = std::move(rounds)};
}

TEST(BenchTextTest, RoundsAreMergedByPhase) {
  const auto merged = Merged(
      Side({{Figures(10, milliseconds(1)), Figures(4, milliseconds(2))},
            {Figures(20, milliseconds(3)), Figures(6, milliseconds(4))}}));
  ASSERT_EQ(merged.size(), 2U);
  EXPECT_EQ(merged[0].Count(CallEnd::kAnswered), 30U);
  EXPECT_EQ(merged[0].length, seconds(4));
  EXPECT_EQ(merged[0].errors.at("DEADLINE_EXCEEDED"), 2U);
  EXPECT_EQ(merged[1].Count(CallEnd::kAnswered), 10U);
}

TEST(BenchTextTest, TheRatiosAreThoseOfEachRound) {
  const BenchComparison comparison =
      Compare(Side({{Figures(10, milliseconds(1))},
                    {Figures(10, milliseconds(1))},
                    {Figures(10, milliseconds(1))}}),
              Side({{Figures(20, milliseconds(1))},
                    {Figures(5, milliseconds(2))},
                    {Figures(10, milliseconds(4))}}));
  EXPECT_DOUBLE_EQ(comparison.throughput.median, 1);
  EXPECT_DOUBLE_EQ(comparison.throughput.least, 0.5);
  EXPECT_DOUBLE_EQ(comparison.throughput.most, 2);
  EXPECT_DOUBLE_EQ(comparison.p99.median, 2);
  EXPECT_DOUBLE_EQ(comparison.p50.most, 4);
}

TEST(BenchTextTest, ARoundWithoutAnswersHasNoRatio) {
  const BenchComparison comparison =
      Compare(Side({{Figures(0, {})}}), Side({{Figures(5, milliseconds(1))}}));
  EXPECT_EQ(comparison.throughput.median, 0);
}

TEST(BenchTextTest, ThePersonSeesLoadEndsRateAndLatencies) {
  const std::string text =
      BenchText({Side({{Figures(1234, milliseconds(7))}})}, {.batch = 2});
  EXPECT_THAT(text, HasSubstr("digits, cats@2 on host:8001\n"));
  EXPECT_THAT(text, HasSubstr("1 client"));
  EXPECT_THAT(text, HasSubstr("1,234"));
  // Two pictures a call over two seconds.
  EXPECT_THAT(text, HasSubstr("1234.0"));
  EXPECT_THAT(text, HasSubstr("7.00 ms"));
  EXPECT_THAT(text, HasSubstr("  1  DEADLINE_EXCEEDED\n"));
  EXPECT_THAT(text, Not(HasSubstr("the second")));
}

TEST(BenchTextTest, WhatIsCalledIsSaidWhereItIsNotAsUsual) {
  const std::vector<BenchSide> sides = {Side({{Figures(1, milliseconds(7))}})};
  EXPECT_THAT(BenchText(sides, {.streams = 1}),
              HasSubstr("on host:8001, over 1 stream\n"));
  EXPECT_THAT(BenchText(sides, {.streams = 2}), HasSubstr("over 2 streams\n"));
  EXPECT_THAT(BenchText(sides, {.method = client::LoadMethod::kEmbed}),
              HasSubstr("on host:8001, by Embed\n"));
  EXPECT_EQ(BenchJson(sides, {})["method"], "Classify");
  EXPECT_EQ(BenchJson(sides, {})["streams"], 0);
  EXPECT_EQ(BenchJson(sides, {.streams = 2})["method"], "ClassifyStream");
  EXPECT_EQ(BenchJson(sides, {.streams = 2})["streams"], 2);
  EXPECT_EQ(BenchJson(sides, {.method = client::LoadMethod::kEmbed})["method"],
            "Embed");
}

TEST(BenchTextTest, TwoSidesEndWithTheirRatios) {
  const std::string text =
      BenchText({Side({{Figures(10, milliseconds(4))}}),
                 Side({{Figures(20, milliseconds(2))}})},
                {.phases = {{.rate = 100, .length = seconds(2)}}});
  EXPECT_THAT(text, HasSubstr("100 calls/s"));
  EXPECT_THAT(text, HasSubstr("median of 1 round (least to most)"));
  EXPECT_THAT(text, HasSubstr("pictures/s 2.000 (2.000 to 2.000)"));
  EXPECT_THAT(text, HasSubstr("p99        0.500"));
}

// What two models had of one load.
LoadFigures OfTwoModels() {
  LoadFigures both = Figures(30, milliseconds(4));
  both.parts = {Figures(10, milliseconds(2)), Figures(20, milliseconds(8))};
  return both;
}

TEST(BenchTextTest, EachOfSeveralModelsHasARow) {
  const std::string text =
      BenchText({Side({{OfTwoModels()}, {OfTwoModels()}})}, {.clients = 4});
  EXPECT_THAT(text, MatchesRegex("(.|\n)*  4 clients +60 (.|\n)*"
                                 "    digits +20 .*2\\.00 ms(.|\n)*"
                                 "    cats@2 +40 .*8\\.00 ms(.|\n)*"));
}

TEST(BenchTextTest, EachOfSeveralModelsIsInTheDocument) {
  const Json document = BenchJson({Side({{OfTwoModels()}})}, {.batch = 1});
  const Json& models = document["sides"][0]["phases"][0]["models"];
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0]["model"], "models/digits");
  EXPECT_EQ(models[0]["answered"], 10);
  EXPECT_EQ(models[1]["model"], "models/cats/versions/2");
  EXPECT_EQ(models[1]["latency_ms"]["p50"], 8);
  EXPECT_EQ(models[1]["pictures_per_second"], 10);
}

TEST(BenchTextTest, TheDocumentHasEveryFigure) {
  const Json document = BenchJson({Side({{Figures(10, milliseconds(4))}})},
                                  {.batch = 3, .clients = 1});
  const Json& phase = document["sides"][0]["phases"][0];
  EXPECT_EQ(document["batch"], 3);
  EXPECT_EQ(document["sides"][0]["server"], "host:8001");
  EXPECT_TRUE(phase["rate"].is_null());
  EXPECT_EQ(phase["calls"], 11);
  EXPECT_EQ(phase["answered"], 10);
  EXPECT_EQ(phase["late"], 1);
  EXPECT_EQ(phase["refused"], 0);
  EXPECT_EQ(phase["failed"], 0);
  EXPECT_EQ(phase["answers_per_second"], 5);
  EXPECT_EQ(phase["pictures_per_second"], 15);
  EXPECT_EQ(phase["latency_ms"]["p99"], 4);
  EXPECT_EQ(phase["errors"]["DEADLINE_EXCEEDED"], 1);
  EXPECT_FALSE(document.contains("ratios"));
  EXPECT_FALSE(phase.contains("models"));
}

TEST(BenchTextTest, TheLineOfARunSaysHowItStands) {
  EXPECT_EQ(BenchLine({.elapsed = milliseconds(3400),
                       .whole = seconds(10),
                       .figures = Figures(12, milliseconds(7))}),
            "3 s of 10 s, 12 answers, p50 7.00 ms, p99 7.00 ms, 0 refused, 1 "
            "late, 0 failed");
}

}  // namespace
}  // namespace resnetd::cli
