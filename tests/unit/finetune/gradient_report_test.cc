#include "server/finetune/gradient_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "server/base/error.h"
#include "server/finetune/gradient_text.h"

namespace resnetd {
namespace {

Job SomeJob() {
  Job job{.number = JobNumber{7},
          .spec = {.model = ModelName::Parse("m").value(),
                   .dataset = DatasetName::Parse("d").value()},
          .status = {.state = JobState::kRunning}};
  job.status.block_names = {"layer1.00", "layer1.01", "layer2.00"};
  return job;
}

// Of steps 1, 11, 21, ...; the shortcut tells block and step.
JobSamples Samples(int count) {
  JobSamples samples;
  for (int i = 0; i < count; ++i) {
    GradientSample sample;
    sample.step = 1 + 10 * i;
    sample.examples = 64;
    if (i % 10 == 0) {
      sample.noise = GradientNoise{.signal = i == 0 ? -1.0 : 3.0, .noise = 96};
    }
    for (int block = 0; block < 3; ++block) {
      BlockSample& one = sample.blocks.emplace_back();
      one.paths = PathNorms{.shortcut = static_cast<double>(100 * block + i)};
      one.noise = sample.noise;
    }
    samples.rows.push_back({.step = sample.step,
                            .ordinal = i + 1,
                            .payload = FormatSample(sample)});
  }
  samples.oldest_step = count > 0 ? 1 : 0;
  return samples;
}

TEST(GradientReportTest, HasEverySampleWithAllItsDigits) {
  const auto report = MakeGradientReport(SomeJob(), Samples(20), {});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->blocks,
              testing::ElementsAre("layer1.00", "layer1.01", "layer2.00"));
  ASSERT_EQ(report->samples.size(), 20U);
  EXPECT_EQ(FormatSample(report->samples[7]), Samples(20).rows[7].payload);
  EXPECT_EQ(report->samples_in_range, 20);
  EXPECT_EQ(report->oldest_step, 1);
  EXPECT_FALSE(report->has_expired);
}

TEST(GradientReportTest, TheNoiseScaleIsAQuotientOfMeans) {
  const auto report = MakeGradientReport(SomeJob(), Samples(20), {});
  ASSERT_TRUE(report->noise.has_value());
  // Of -1 and 3: 1. One alone cannot be told from noise.
  EXPECT_EQ(report->noise->signal, 1);
  EXPECT_EQ(NoiseScale(*report->noise), 96);
  ASSERT_EQ(report->block_noise.size(), 3U);
  EXPECT_EQ(report->block_noise[2]->noise, 96);
  // Also of what is left out.
  EXPECT_EQ(MakeGradientReport(SomeJob(), Samples(20), {.max_samples = 1})
                ->noise->signal,
            1);
}

TEST(GradientReportTest, BlocksAreFoundWithAndWithoutZeros) {
  const auto report =
      MakeGradientReport(SomeJob(), Samples(2),
                         {.blocks = {"layer2.0", "layer1.01", "layer2.00"}});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->blocks, testing::ElementsAre("layer1.01", "layer2.00"));
  ASSERT_EQ(report->samples[1].blocks.size(), 2U);
  EXPECT_EQ(report->samples[1].blocks[0].paths->shortcut, 101);
  EXPECT_EQ(report->samples[1].blocks[1].paths->shortcut, 201);
}

TEST(GradientReportTest, EveryUnknownBlockIsNamed) {
  const absl::Status status =
      MakeGradientReport(SomeJob(), Samples(2),
                         {.blocks = {"layer9.00", "layer1.00", "stem"}})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(DetailsOf(status).violations.size(), 2U);
  EXPECT_EQ(DetailsOf(status).violations[0].first, "blocks[0]");
  EXPECT_EQ(DetailsOf(status).violations[1].first, "blocks[2]");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("layer1.01"));
}

TEST(GradientReportTest, FewerSamplesAreAnEvenChoiceWithFirstAndLast) {
  for (const int most : {2, 3, 19, 20, 21}) {
    const auto report =
        MakeGradientReport(SomeJob(), Samples(20), {.max_samples = most});
    ASSERT_EQ(report->samples.size(),
              static_cast<std::size_t>(std::min(most, 20)));
    EXPECT_EQ(report->samples.front().step, 1);
    EXPECT_EQ(report->samples.back().step, 191);
    EXPECT_EQ(report->samples_in_range, 20);
    for (std::size_t i = 1; i < report->samples.size(); ++i) {
      EXPECT_LT(report->samples[i - 1].step, report->samples[i].step);
    }
  }
  EXPECT_EQ(MakeGradientReport(SomeJob(), Samples(20), {.max_samples = 1})
                ->samples[0]
                .step,
            191);
  EXPECT_EQ(MakeGradientReport(SomeJob(), Samples(300), {})->samples.size(),
            static_cast<std::size_t>(kDefaultReportSamples));
}

TEST(GradientReportTest, AJobWithoutSamplesSaysWhy) {
  Job job = SomeJob();
  const absl::Status none = MakeGradientReport(job, {}, {}).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(none).reason, "JOB_STATE");
  job.spec.observation.probe_every = 0;
  EXPECT_THAT(std::string(MakeGradientReport(job, {}, {}).status().message()),
              testing::HasSubstr("probe_every 0"));
}

TEST(GradientReportTest, WhatIsNoLongerKeptIsOutOfRange) {
  JobSamples samples = Samples(20);
  samples.oldest_step = 101;
  samples.has_expired = true;
  for (const std::int64_t first : {100, 101, 102}) {
    const auto report =
        MakeGradientReport(SomeJob(), samples, {.first_step = first});
    EXPECT_EQ(report.ok(), first >= 101) << first;
    if (!report.ok()) {
      EXPECT_EQ(report.status().code(), absl::StatusCode::kOutOfRange);
      EXPECT_EQ(DetailsOf(report.status()).reason, "EVENTS_EXPIRED");
      EXPECT_THAT(DetailsOf(report.status()).metadata,
                  testing::Contains(testing::Pair("oldest", "101")));
    }
  }
  // Who names no step gets what there is.
  EXPECT_TRUE(MakeGradientReport(SomeJob(), samples, {})->has_expired);
  // And nothing was ever before it.
  samples.has_expired = false;
  EXPECT_TRUE(MakeGradientReport(SomeJob(), samples, {.first_step = 1}).ok());
}

TEST(GradientReportTest, ADamagedSampleIsDamage) {
  JobSamples samples = Samples(3);
  samples.rows[1].payload = "?";
  EXPECT_EQ(MakeGradientReport(SomeJob(), samples, {}).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace resnetd
