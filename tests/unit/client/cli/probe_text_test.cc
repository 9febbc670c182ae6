#include "client/cli/probe_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

client::ProbeReport SomeReport() {
  client::ProbeReport report;
  report.version = "models/digits/versions/2";
  report.weights_sha256 = "abc";
  report.examples = 16;
  report.loss = 0.25;
  report.depth_ratio = 4;
  report.took = std::chrono::milliseconds(1500);
  for (const bool is_identity : {true, false}) {
    client::ProbedBlock& block = report.blocks.emplace_back();
    block.name = is_identity ? "layer1.00" : "layer2.00";
    block.shortcut_is_identity = is_identity;
    block.paths = {.shortcut = 0.4,
                   .main = 0.3,
                   .input = 0.5,
                   .sum = 0.4,
                   .cosine = 0,
                   .main_share = 0.36};
  }
  return report;
}

client::ProbeReport FullReport() {
  client::ProbeReport report = SomeReport();
  report.options = {
      .fd_check = true, .split_parameters = true, .path_passes = 4};
  for (client::ProbedBlock& block : report.blocks) {
    block.fd_errors = client::PathErrors{.main = 1e-10, .shortcut = 2e-10};
    block.parameters = client::ParameterSplit{
        .by_main = 1, .by_shortcut = 2, .whole = 2.5, .error = 3e-16};
  }
  report.paths = client::PathDistribution{.lengths = {{.main_paths = 0,
                                                       .ways = 1,
                                                       .gone = 1,
                                                       .mean_norm = 2,
                                                       .mass_share = 0.25},
                                                      {.main_paths = 1,
                                                       .ways = 2,
                                                       .gone = 2,
                                                       .mean_norm = 2,
                                                       .mass_share = 0.75}},
                                          .direct_share = 0.4,
                                          .error = 1e-16};
  return report;
}

TEST(ProbeTextTest, HasALineForEachBlock) {
  const std::string text = ProbeText(SomeReport(), false);
  EXPECT_THAT(text, HasSubstr("digits@2: 16 pictures, loss 0.25, batch norms "
                              "of the version, 1.50 s; nothing was changed"));
  EXPECT_THAT(text, HasSubstr("layer1.00  4.00e-01  ############  3.00e-01"));
  EXPECT_THAT(text, HasSubstr("36 %   0.000  identity"));
  EXPECT_THAT(text, HasSubstr("projection"));
  EXPECT_THAT(text, HasSubstr("depth ratio 4"));
  for (const char* absent : {"FD ERROR", "BEFORE", "MAIN PATHS"}) {
    EXPECT_THAT(text, Not(HasSubstr(absent)));
  }
}

TEST(ProbeTextTest, SaysWhatWasProved) {
  const std::string text = ProbeText(FullReport(), true);
  EXPECT_THAT(text, HasSubstr("FD ERROR"));
  EXPECT_THAT(text, HasSubstr("central differences of the loss agree to 2e-10 "
                              "(layer1.00)\n"));
  EXPECT_THAT(text, HasSubstr("which add up to 3e-16"));
  EXPECT_THAT(text, HasSubstr("75.0 %"));
  EXPECT_THAT(text, HasSubstr("by shortcuts alone comes a gradient of 40.0 %"));
  EXPECT_THAT(text, HasSubstr("all ways were gone; they add up to 1e-16"));
}

TEST(ProbeTextTest, SaysWhereADifferenceIsLarge) {
  client::ProbeReport report = FullReport();
  report.blocks[1].fd_errors->main = 1e-3;
  report.paths->error.reset();
  const std::string text = ProbeText(report, true);
  EXPECT_THAT(text,
              HasSubstr("agree to 1e-03 (layer2.00): more than rounding"));
  EXPECT_THAT(text, Not(HasSubstr("all ways were gone")));
}

TEST(ProbeTextTest, IsSafeForATerminalAndForNoBlocks) {
  client::ProbeReport report;
  report.version = "models/\x1b[2J";
  report.options.fd_check = true;
  const std::string text = ProbeText(report, false);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(ProbeTextTest, JsonHasWhatWasAskedForAndNoMore) {
  const Json plain = ProbeJson(SomeReport());
  EXPECT_EQ(plain["blocks"][0]["paths"]["main_share"], 0.36);
  EXPECT_EQ(plain["took_ms"], 1500);
  EXPECT_EQ(plain.count("paths"), 0U);
  EXPECT_EQ(plain["blocks"][0].count("fd_errors"), 0U);
  const Json full = ProbeJson(FullReport());
  EXPECT_EQ(full["options"]["fd_check"], true);
  EXPECT_EQ(full["blocks"][1]["fd_errors"]["shortcut"], 2e-10);
  EXPECT_EQ(full["blocks"][1]["parameters"]["whole"], 2.5);
  EXPECT_EQ(full["paths"]["lengths"][1]["mass_share"], 0.75);
  EXPECT_EQ(full["paths"]["error"], 1e-16);
}

}  // namespace
}  // namespace resnetd::cli
