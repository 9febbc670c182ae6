#include "server/telemetry/gradient_metrics.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/thread.h"
#include "server/telemetry/text_exposition.h"

namespace resnetd {
namespace {

// The value of a series of resnetd_finetune_, or "absent".
std::string ValueOf(const GradientMetrics& metrics, const std::string& series) {
  const std::string text = FormatMetrics(metrics.Collect());
  const std::string wanted = absl::StrCat("resnetd_finetune_", series, " ");
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.substr(0, wanted.size()) == wanted) {
      return std::string(line.substr(wanted.size()));
    }
  }
  return "absent";
}

GradientFigures BlocksOf(int count, double value = 1) {
  GradientFigures figures;
  for (int i = 0; i < count; ++i) {
    figures.blocks.push_back(
        {.block = absl::StrCat("layer1.", 1000 + i), .main_norm = value});
  }
  return figures;
}

TEST(ShownBlocksTest, AreAllUpToTheLimitAndThenEvenlySpaced) {
  EXPECT_TRUE(ShownBlocks(0).empty());
  for (const std::size_t blocks : {1U, 50U, 63U, 64U}) {
    const std::vector<std::size_t> shown = ShownBlocks(blocks);
    ASSERT_EQ(shown.size(), blocks);
    for (std::size_t i = 0; i < blocks; ++i) {
      EXPECT_EQ(shown[i], i);
    }
  }
  for (const std::size_t blocks : {65U, 66U, 127U, 128U, 333U, 600U}) {
    const std::vector<std::size_t> shown = ShownBlocks(blocks);
    ASSERT_EQ(shown.size(), kMostShownBlocks) << blocks;
    EXPECT_EQ(shown.front(), 0U);
    EXPECT_EQ(shown.back(), blocks - 1);
    const std::size_t step = (blocks - 1) / (kMostShownBlocks - 1);
    for (std::size_t i = 1; i < shown.size(); ++i) {
      EXPECT_GE(shown[i] - shown[i - 1], step) << blocks;
      EXPECT_LE(shown[i] - shown[i - 1], step + 1) << blocks;
    }
  }
}

TEST(GradientMetricsTest, ShowsEveryFigureUnderItsName) {
  GradientMetrics metrics;
  metrics.Enter(0);
  metrics.Set(0, {.blocks = {{.block = "layer3.05",
                              .shortcut_norm = 1,
                              .main_norm = 2,
                              .input_norm = 3,
                              .main_share = 0.4,
                              .path_cosine = -0.5,
                              .weight_gradient_norm = 6,
                              .update_ratio = 0.007,
                              .snr = -0.8,
                              .residual_ratio = 0.9}},
                  .depth_ratio = 10,
                  .noise_scale = 11});
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"grad_shortcut_l2", "1"},    {"grad_main_l2", "2"},
      {"grad_input_l2", "3"},       {"grad_main_share_ratio", "0.4"},
      {"grad_path_cosine", "-0.5"}, {"weight_grad_l2", "6"},
      {"update_ratio", "0.007"},    {"snr_ratio", "-0.8"},
      {"residual_ratio", "0.9"},
  };
  for (const auto& [name, value] : expected) {
    EXPECT_EQ(
        ValueOf(metrics, absl::StrCat("block_", name,
                                      "{block=\"layer3.05\",slot=\"0\"}")),
        value)
        << name;
  }
  EXPECT_EQ(ValueOf(metrics, "grad_depth_ratio{slot=\"0\"}"), "10");
  EXPECT_EQ(ValueOf(metrics, "grad_noise_scale_examples{slot=\"0\"}"), "11");
  EXPECT_EQ(ValueOf(metrics, "blocks_omitted{slot=\"0\"}"), "0");
}

TEST(GradientMetricsTest, WhatABlockDoesNotTellHasNoSeries) {
  GradientMetrics metrics;
  metrics.Enter(0);
  metrics.Set(0, {.blocks = {{.block = "layer1.00", .update_ratio = 0.5}}});
  EXPECT_EQ(
      ValueOf(metrics, "block_update_ratio{block=\"layer1.00\",slot=\"0\"}"),
      "0.5");
  EXPECT_EQ(
      ValueOf(metrics, "block_grad_main_l2{block=\"layer1.00\",slot=\"0\"}"),
      "absent");
  EXPECT_EQ(ValueOf(metrics, "grad_depth_ratio{slot=\"0\"}"), "absent");
}

TEST(GradientMetricsTest, ABlockThatIsFrozenLaterLeavesNothing) {
  GradientMetrics metrics;
  metrics.Enter(0);
  metrics.Set(0, BlocksOf(2));
  metrics.Set(0, BlocksOf(1));
  EXPECT_EQ(
      ValueOf(metrics, "block_grad_main_l2{block=\"layer1.1000\",slot=\"0\"}"),
      "1");
  EXPECT_EQ(
      ValueOf(metrics, "block_grad_main_l2{block=\"layer1.1001\",slot=\"0\"}"),
      "absent");
}

TEST(GradientMetricsTest, SaysHowManyBlocksItLeavesOut) {
  GradientMetrics metrics;
  metrics.Enter(0);
  for (const auto& [blocks, omitted] : std::vector<std::pair<int, std::string>>{
           {64, "0"}, {65, "1"}, {200, "136"}}) {
    metrics.Set(0, BlocksOf(blocks));
    EXPECT_EQ(ValueOf(metrics, "blocks_omitted{slot=\"0\"}"), omitted);
    EXPECT_EQ(
        ValueOf(metrics, absl::StrCat("block_grad_main_l2{block=\"layer1.",
                                      1000 + blocks - 1, "\",slot=\"0\"}")),
        "1");
  }
}

TEST(GradientMetricsTest, AlarmsAreQuietFromTheBeginningOfAJob) {
  GradientMetrics metrics;
  const auto alarm = [&metrics](const std::string& kind) {
    return ValueOf(metrics,
                   absl::StrCat("alarm{kind=\"", kind, "\",slot=\"0\"}"));
  };
  EXPECT_EQ(alarm("VANISHING"), "absent");
  metrics.Enter(0);
  EXPECT_EQ(alarm("VANISHING"), "0");
  metrics.SetAlarms(0, {"VANISHING", "A_NEW_ONE"});
  EXPECT_EQ(alarm("VANISHING"), "1");
  EXPECT_EQ(alarm("EXPLODING"), "0");
  EXPECT_EQ(alarm("A_NEW_ONE"), "1");
  metrics.SetAlarms(0, {});
  EXPECT_EQ(alarm("VANISHING"), "0");
  EXPECT_EQ(alarm("A_NEW_ONE"), "absent");
}

TEST(GradientMetricsTest, NothingIsLeftOfAJobThatHasGone) {
  GradientMetrics metrics;
  metrics.Enter(0);
  metrics.Enter(1);
  metrics.Set(0, BlocksOf(3));
  metrics.Set(1, BlocksOf(3, 7));
  metrics.SetAlarms(0, {"OVERFIT"});
  metrics.Leave(0);
  const std::string text = FormatMetrics(metrics.Collect());
  EXPECT_EQ(text.find("slot=\"0\""), std::string::npos) << text;
  EXPECT_EQ(
      ValueOf(metrics, "block_grad_main_l2{block=\"layer1.1002\",slot=\"1\"}"),
      "7");
  // What comes late shows nothing.
  metrics.Set(0, BlocksOf(3));
  metrics.SetAlarms(0, {"OVERFIT"});
  EXPECT_EQ(FormatMetrics(metrics.Collect()), text);
  metrics.Leave(1);
  EXPECT_EQ(FormatMetrics(metrics.Collect()), "");
}

TEST(GradientMetricsTest, AScrapeSeesOneSampleWhole) {
  GradientMetrics metrics;
  metrics.Enter(0);
  metrics.Set(0, BlocksOf(50, 0));
  std::atomic<bool> is_done = false;
  Thread writer("sample", [&metrics, &is_done] {
    for (int turn = 1; turn <= 2000; ++turn) {
      metrics.Set(0, BlocksOf(50, turn));
    }
    is_done = true;
  });
  while (!is_done) {
    std::optional<double> first;
    for (const prometheus::MetricFamily& family : metrics.Collect()) {
      if (family.name != "resnetd_finetune_block_grad_main_l2") {
        continue;
      }
      ASSERT_EQ(family.metric.size(), 50U);
      for (const prometheus::ClientMetric& metric : family.metric) {
        first = first.value_or(metric.gauge.value);
        ASSERT_EQ(metric.gauge.value, *first);
      }
    }
  }
}

TEST(GradientMetricsTest, AScrapeWhileJobsEndSeesAllOfOneOrNothing) {
  GradientMetrics metrics;
  std::atomic<bool> is_done = false;
  Thread jobs("jobs", [&metrics, &is_done] {
    for (int turn = 1; turn <= 2000; ++turn) {
      metrics.Enter(0);
      metrics.Set(0, BlocksOf(50, turn));
      metrics.Leave(0);
    }
    is_done = true;
  });
  while (!is_done) {
    std::optional<double> first;
    for (const prometheus::MetricFamily& family : metrics.Collect()) {
      if (family.name != "resnetd_finetune_block_grad_main_l2" ||
          family.metric.empty()) {
        continue;
      }
      ASSERT_EQ(family.metric.size(), 50U);
      for (const prometheus::ClientMetric& metric : family.metric) {
        first = first.value_or(metric.gauge.value);
        ASSERT_EQ(metric.gauge.value, *first);
      }
    }
  }
  jobs.Join();
  EXPECT_EQ(FormatMetrics(metrics.Collect()), "");
}

}  // namespace
}  // namespace resnetd
