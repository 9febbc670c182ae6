// What resnetctl makes of the gradients of a job.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/csv.h"
#include "client/cli/gradients_data.h"
#include "client/cli/gradients_svg.h"
#include "client/cli/gradients_text.h"

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

client::GradientReport SomeReport(int blocks = 3, int samples = 5) {
  client::GradientReport report;
  for (int i = 0; i < blocks; ++i) {
    report.blocks.push_back(absl::StrCat("layer1.", i < 10 ? "0" : "", i));
  }
  report.block_noise.resize(static_cast<std::size_t>(blocks));
  for (int s = 0; s < samples; ++s) {
    client::GradientSample& sample = report.samples.emplace_back();
    sample.step = 1 + 10 * s;
    sample.examples = 64;
    sample.all = {.gradient = 0.5, .weights = 10, .update = 0.01};
    for (int i = 0; i < blocks; ++i) {
      client::BlockSample& block = sample.blocks.emplace_back();
      block.parameters =
          client::ParameterNorms{.gradient = 1, .weights = 10, .update = 0.01};
      if (i > 0) {
        block.paths = client::PathNorms{.shortcut = 1.0 / i,
                                        .main = 0.1 / i,
                                        .input = 1.005 / i,
                                        .sum = 1,
                                        .cosine = 0.1,
                                        .main_share = 0.0099};
      }
      if (s == 0) {
        block.noise = client::GradientNoise{.signal = 1, .noise = 96};
      }
    }
    sample.depth_ratio = 2.5;
  }
  report.samples_in_range = samples;
  report.oldest_step = 1;
  report.noise = client::GradientNoise{.signal = 1, .noise = 96};
  report.noise_scale_examples = 96;
  for (client::BlockNoise& noise : report.block_noise) {
    noise.snr_ratio = 0.67;
  }
  return report;
}

TEST(GradientsTextTest, HasALineForEachBlockAndWhatFollows) {
  const std::string text = GradientsText("job 7", SomeReport(), false);
  EXPECT_THAT(text, HasSubstr("job 7: step 41, 64 pictures, gradient 0.5, "
                              "update 1.00e-03 of the weights, depth ratio "
                              "2.5\n"));
  EXPECT_THAT(text, HasSubstr("layer1.01  1.00e+00  ############  1.00e-01  "
                              "#########---"));
  EXPECT_THAT(text, HasSubstr("first trained"));
  EXPECT_THAT(text, HasSubstr("the first block gets about as much"));
  EXPECT_THAT(text, HasSubstr("noise scale 96 pictures, a step takes 64: that "
                              "fits"));
  EXPECT_THAT(text, HasSubstr("no alarm is raised"));
  EXPECT_THAT(text, Not(HasSubstr(" of 5 samples")));
  for (const char byte : text) {
    EXPECT_LT(static_cast<unsigned char>(byte), 128);
  }
  EXPECT_THAT(GradientsText("job 7", SomeReport(), true), HasSubstr("█"));
}

TEST(GradientsTextTest, TellsWhatIsWrong) {
  client::GradientReport report = SomeReport();
  report.samples.back().depth_ratio = 1e-5;
  report.noise_scale_examples.reset();
  report.samples_in_range = 500;
  report.alarms = {{.kind = client::AlarmKind::kVanishing,
                    .step = 31,
                    .text = "it is\x1b[31m gone"}};
  const std::string text = GradientsText("job 7", report, false);
  EXPECT_THAT(text, HasSubstr("vanishes on its way"));
  EXPECT_THAT(text, HasSubstr("cannot be told from its noise"));
  EXPECT_THAT(text, HasSubstr("alarm VANISHING since step 31: it is\\x1b"));
  EXPECT_THAT(text, HasSubstr("5 of 500 samples"));
  report.samples.back().depth_ratio = 1e5;
  EXPECT_THAT(GradientsText("job 7", report, false), HasSubstr("explodes"));
  report.samples.clear();
  EXPECT_THAT(GradientsText("job 7", report, false),
              HasSubstr("no samples in this range"));
}

TEST(GradientsTextTest, EveryWayThatABlockStandsHasAWord) {
  const client::BlockNoise calm{.snr_ratio = 1};
  client::BlockSample block;
  EXPECT_EQ(BlockWord(block, calm), "frozen");
  block.parameters =
      client::ParameterNorms{.gradient = 1, .weights = 1, .update = 1e-3};
  EXPECT_EQ(BlockWord(block, calm), "first trained");
  block.paths = client::PathNorms{};
  EXPECT_EQ(BlockWord(block, calm), "nothing comes back");
  block.paths->main_share = 0.5;
  EXPECT_EQ(BlockWord(block, calm), "both paths");
  EXPECT_EQ(BlockWord(block, {.snr_ratio = -0.1}), "both paths, noise");
  block.paths->main_share = 0.001;
  EXPECT_EQ(BlockWord(block, calm), "shortcut");
  block.paths->main_share = 0.999;
  EXPECT_EQ(BlockWord(block, calm), "main path");
  block.parameters->update = 1e-9;
  EXPECT_EQ(BlockWord(block, calm), "does not move");
  block.paths->main_share = 0;
  block.parameters->gradient = 0;
  EXPECT_EQ(BlockWord(block, calm), "dead");
}

TEST(GradientsDataTest, TheTableHasALineForEachBlockOfEachSample) {
  const auto rows = ParseCsv(GradientsCsv(SomeReport()));
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 1 + 5 * 4U);
  for (const CsvRow& row : *rows) {
    EXPECT_EQ(row.fields.size(), 17U);
  }
  EXPECT_EQ((*rows)[0].fields[3], "shortcut_l2");
  EXPECT_EQ((*rows)[1].fields[2], "all");
  EXPECT_EQ((*rows)[2].fields[3], "") << "the first block has no paths";
  EXPECT_EQ((*rows)[3].fields[2], "layer1.01");
  // All digits.
  EXPECT_EQ(std::stod((*rows)[3].fields[4]), 0.1);
}

TEST(GradientsDataTest, WhatIsAbsentIsAbsent) {
  client::GradientReport report = SomeReport(2, 1);
  report.noise.reset();
  report.noise_scale_examples.reset();
  const Json json = GradientReportJson(report);
  EXPECT_FALSE(json.contains("noise"));
  EXPECT_FALSE(json.contains("noise_scale_examples"));
  EXPECT_FALSE(json["samples"][0]["blocks"][0].contains("paths"));
  EXPECT_EQ(json["samples"][0]["blocks"][1]["paths"]["shortcut"], 1.0);
  EXPECT_EQ(json["alarms"].size(), 0U);
}

// Opened and closed elements that belong together, no character that XML
// forbids.
void ExpectXml(const std::string& svg) {
  std::vector<std::string> open;
  std::size_t at = 0;
  while ((at = svg.find('<', at)) != std::string::npos) {
    const std::size_t end = svg.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = svg.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find(' '));
    if (name[0] == '/') {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), name.substr(1));
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    EXPECT_EQ(std::count(tag.begin(), tag.end(), '"') % 2, 0) << tag;
    at = end;
  }
  EXPECT_TRUE(open.empty());
}

TEST(GradientsSvgTest, ShowsBothPathsTheirSumAndTheNoise) {
  const std::string svg = GradientsSvg("job 7", SomeReport());
  ExpectXml(svg);
  for (const char* text :
       {"gradient through the shortcut", "gradient through the main path",
        "both together", "signal-to-noise", "layer1.02", "step 1", "step 41",
        "prefers-color-scheme:dark", "0.05 to 1 (norm)"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  // Of the first block no gradient comes back.
  EXPECT_THAT(svg, HasSubstr("class=\"none\""));
}

TEST(GradientsSvgTest, EscapesWhatItIsTold) {
  client::GradientReport report = SomeReport();
  report.alarms = {
      {.kind = client::AlarmKind::kExploding, .step = 3, .text = "<b>\"&</b>"}};
  const std::string svg = GradientsSvg("a < b & \"c\"", report);
  ExpectXml(svg);
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp; &quot;c&quot;"));
  EXPECT_THAT(svg, HasSubstr("EXPLODING since step 3: &lt;b&gt;"));
}

TEST(GradientsSvgTest, IsOfMeasureForLargeNetworksAndLongJobs) {
  const std::string svg = GradientsSvg("job 7", SomeReport(50, 2000));
  ExpectXml(svg);
  EXPECT_LT(svg.size(), 2'000'000U);
  ExpectXml(GradientsSvg("job 7", SomeReport(1, 1)));
  client::GradientReport bare = SomeReport(2, 3);
  for (client::GradientSample& sample : bare.samples) {
    for (client::BlockSample& block : sample.blocks) {
      block = client::BlockSample();
    }
  }
  EXPECT_THAT(GradientsSvg("job 7", bare), HasSubstr("not measured"));
  client::GradientReport odd = SomeReport(2, 3);
  odd.samples[1].blocks[1].paths->main = 0;
  odd.samples[2].blocks[1].paths->shortcut =
      std::numeric_limits<double>::infinity();
  EXPECT_THAT(GradientsSvg("job 7", odd), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace resnetd::cli
