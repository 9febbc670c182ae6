#include "server/rpc/convert_gradient.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/error.h"
#include "server/finetune/gradient_text.h"
#include "server/rpc/convert_job.h"
#include "server/rpc/job_reads.h"
#include "tests/support/fake_job_manager.h"

namespace resnetd {
namespace {

TEST(ConvertGradientTest, WhatIsAbsentHasTheDefault) {
  Violations violations;
  const ObservationSpec observation =
      ToObservation(v1::ObservationSpec(), violations);
  EXPECT_EQ(observation, ObservationSpec());
  v1::ObservationSpec off;
  off.set_probe_every(0);
  off.set_snr(false);
  EXPECT_EQ(ToObservation(off, violations),
            (ObservationSpec{.probe_every = 0, .snr = false}));
  EXPECT_TRUE(violations.ToStatus().ok());
}

TEST(ConvertGradientTest, EveryWrongFieldIsNamed) {
  v1::FineTuneJobSpec spec;
  spec.mutable_observation()->set_probe_every(-1);
  spec.add_alarms();
  spec.add_alarms()->set_kind(v1::ALARM_KIND_OVERFIT);
  spec.mutable_alarms(1)->set_action(static_cast<v1::AlarmAction>(9));
  spec.add_alarms()->set_kind(v1::ALARM_KIND_NONFINITE);
  spec.mutable_alarms(2)->set_action(v1::ALARM_ACTION_WARN);
  Violations violations;
  ToObservation(spec.observation(), violations);
  ToAlarms(spec.alarms(), violations);
  std::vector<std::string> fields;
  for (const auto& violation : DetailsOf(violations.ToStatus()).violations) {
    fields.push_back(violation.first);
  }
  EXPECT_THAT(fields, testing::UnorderedElementsAre(
                          "spec.observation.probe_every", "spec.alarms[0].kind",
                          "spec.alarms[1].action", "spec.alarms[0]"));
}

TEST(ConvertGradientTest, SettingsComeBack) {
  v1::FineTuneJobSpec spec;
  spec.add_alarms()->set_kind(v1::ALARM_KIND_VANISHING);
  spec.mutable_alarms(0)->set_action(v1::ALARM_ACTION_FAIL);
  spec.add_alarms()->set_kind(v1::ALARM_KIND_OVERFIT);
  Violations violations;
  const auto settings = ToAlarms(spec.alarms(), violations);
  ASSERT_TRUE(violations.ToStatus().ok());
  ASSERT_EQ(settings.size(), 2U);
  EXPECT_EQ(ToProto(settings[0]).SerializeAsString(),
            spec.alarms(0).SerializeAsString());
  EXPECT_EQ(settings[1].action, AlarmAction::kStop) << "the default";
}

GradientSample SomeSample(std::int64_t step) {
  GradientSample sample;
  sample.step = step;
  sample.examples = 64;
  sample.all = {.gradient = 1, .weights = 2, .update = 3, .zero_share = 0.25};
  sample.noise = GradientNoise{.signal = 4, .noise = 8};
  sample.blocks.resize(2);
  sample.blocks[0].paths = PathNorms{3, 4, 5, 3, 0.5};
  sample.blocks[0].parameters = sample.all;
  sample.blocks[0].noise = GradientNoise{.signal = 2, .noise = 64};
  sample.blocks[0].residual_ratio = 0.5;
  sample.blocks[0].last_scale = 0.75;
  return sample;
}

TEST(ConvertGradientTest, ASampleHasAllOfIt) {
  const v1::GradientSample message = ToProto(SomeSample(7));
  EXPECT_EQ(message.step(), 7);
  EXPECT_EQ(message.examples(), 64);
  EXPECT_EQ(message.all().zero_share(), 0.25);
  EXPECT_EQ(message.noise().noise(), 8);
  EXPECT_FALSE(message.has_depth_ratio());
  const v1::BlockSample& block = message.blocks(0);
  EXPECT_EQ(block.paths().main(), 4);
  EXPECT_EQ(block.paths().main_share(), 0.64);
  EXPECT_EQ(block.paths().cosine(), 0.5);
  EXPECT_EQ(block.parameters().update(), 3);
  EXPECT_EQ(block.noise().signal(), 2);
  EXPECT_EQ(block.residual_ratio(), 0.5);
  EXPECT_EQ(block.last_scale(), 0.75);
  EXPECT_FALSE(message.blocks(1).has_paths());
  EXPECT_FALSE(message.blocks(1).has_residual_ratio());
}

TEST(ConvertGradientTest, EventsOfAlarmsAndSamples) {
  JobEvent event{.sequence = 1, .body = BlockGradients{SomeSample(7)}};
  EXPECT_EQ(ToProto(event).block_gradients().sample().step(), 7);
  event.body = AlarmRaised{.kind = AlarmKind::kExploding,
                           .step = 3,
                           .action = AlarmAction::kPause,
                           .value = 2,
                           .bound = 1,
                           .block = "layer1.00",
                           .text = "t"};
  const v1::AlarmRaised raised = ToProto(event).alarm_raised();
  EXPECT_EQ(raised.kind(), v1::ALARM_KIND_EXPLODING);
  EXPECT_EQ(raised.action(), v1::ALARM_ACTION_PAUSE);
  EXPECT_EQ(raised.value(), 2);
  EXPECT_EQ(raised.block(), "layer1.00");
  event.body =
      AlarmCleared{.kind = AlarmKind::kExploding, .step = 9, .raised_step = 3};
  EXPECT_EQ(ToProto(event).alarm_cleared().raised_step(), 3);
  EXPECT_EQ(KindOf(event.body), v1::JOB_EVENT_KIND_ALARM_CLEARED);
}

class GradientReportCallTest : public testing::Test {
 protected:
  GradientReportCallTest() : job_(manager_.Add(JobState::kRunning)) {
    manager_.Edit(job_, [](Job& job) {
      job.status.block_names = {"layer1.00", "layer1.01"};
      job.status.alarms = {{.kind = AlarmKind::kVanishing, .step = 4}};
    });
    JobSamples samples{.rows = {}, .oldest_step = 11, .has_expired = true};
    for (const std::int64_t step : {11, 21, 31}) {
      samples.rows.push_back(
          {.step = step, .payload = FormatSample(SomeSample(step))});
    }
    manager_.SetSamples(job_, samples);
    request_.set_name("jobs/1");
  }
  std::vector<std::string> WrongFields() {
    std::vector<std::string> fields;
    for (const auto& violation :
         DetailsOf(GetGradientReport(manager_, request_).status()).violations) {
      fields.push_back(violation.first);
    }
    return fields;
  }

  FakeJobManager manager_;
  JobNumber job_;
  v1::GetGradientReportRequest request_;
};

TEST_F(GradientReportCallTest, TellsSamplesNoiseAndAlarms) {
  const auto response = GetGradientReport(manager_, request_);
  ASSERT_TRUE(response.ok()) << response.status();
  const v1::GradientReport& report = response->report();
  EXPECT_EQ(report.blocks_size(), 2);
  EXPECT_EQ(report.samples_size(), 3);
  EXPECT_EQ(report.samples_in_range(), 3);
  EXPECT_EQ(report.oldest_step(), 11);
  EXPECT_TRUE(report.has_expired());
  EXPECT_EQ(report.noise_scale_examples(), 2);
  ASSERT_EQ(report.block_noise_size(), 2);
  EXPECT_EQ(report.block_noise(0).snr_ratio(), 2);  // 2 * 64 / 64.
  EXPECT_FALSE(report.block_noise(1).has_snr_ratio());
  ASSERT_EQ(report.alarms_size(), 1);
  EXPECT_EQ(report.alarms(0).kind(), v1::ALARM_KIND_VANISHING);
}

TEST_F(GradientReportCallTest, APageOfLargeEventsEndsEarly) {
  GradientSample large;
  large.blocks.resize(50, SomeSample(1).blocks[0]);
  manager_.TellMany(job_, BlockGradients{large}, 1000);
  v1::ListFineTuneJobEventsRequest request;
  request.set_parent("jobs/1");
  request.set_page_size(1000);
  int events = 0;
  int pages = 0;
  do {
    const auto page = ListFineTuneJobEvents(manager_, request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LT(page->ByteSizeLong(), std::size_t{4} << 20U);
    events += page->events_size();
    request.set_page_token(page->next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(events, 1001);
  EXPECT_GT(pages, 1);
}

TEST_F(GradientReportCallTest, ARangeHasBothEnds) {
  request_.set_first_step(21);
  request_.set_last_step(31);
  EXPECT_EQ(GetGradientReport(manager_, request_)->report().samples_size(), 2);
  request_.set_first_step(400);
  request_.set_last_step(0);
  EXPECT_EQ(GetGradientReport(manager_, request_)->report().samples_size(), 0);
}

TEST_F(GradientReportCallTest, EveryWrongFieldIsNamed) {
  request_.set_name("models/x");
  request_.set_first_step(-1);
  request_.set_last_step(-2);
  request_.set_max_samples(kMaxReportSamples + 1);
  EXPECT_THAT(WrongFields(),
              testing::UnorderedElementsAre("name", "first_step", "last_step",
                                            "max_samples"));
  request_.set_name("jobs/1");
  request_.set_first_step(30);
  request_.set_last_step(29);
  request_.set_max_samples(kMaxReportSamples);
  EXPECT_THAT(WrongFields(), testing::ElementsAre("last_step"));
  request_.set_last_step(30);
  EXPECT_TRUE(GetGradientReport(manager_, request_).ok());
}

TEST_F(GradientReportCallTest, OtherErrorsAreThoseOfTheReport) {
  request_.set_name("jobs/9");
  EXPECT_EQ(DetailsOf(GetGradientReport(manager_, request_).status()).reason,
            "JOB_NOT_FOUND");
  request_.set_name("jobs/1");
  request_.add_blocks("layer7.00");
  EXPECT_THAT(WrongFields(), testing::ElementsAre("blocks[0]"));
  request_.clear_blocks();
  request_.set_first_step(10);
  EXPECT_EQ(GetGradientReport(manager_, request_).status().code(),
            absl::StatusCode::kOutOfRange);
  const JobNumber bare = manager_.Add(JobState::kQueued);
  request_.set_name("jobs/" + std::to_string(bare.value));
  EXPECT_EQ(GetGradientReport(manager_, request_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace resnetd
