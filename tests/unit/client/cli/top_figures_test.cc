#include "client/cli/top_figures.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace resnetd::cli {
namespace {

TopReading Reading(int second, const std::string& text) {
  auto samples = ParseExposition(text);
  EXPECT_TRUE(samples.ok()) << samples.status();
  return {.at = SteadyTime(std::chrono::seconds(second)),
          .samples = *std::move(samples)};
}

constexpr char kBefore[] = R"(
resnetd_build_info{version="1.2.3"} 1
resnetd_ready 1
process_cpu_seconds_total 10
process_resident_memory_bytes 1048576
resnetd_rpc_requests_total{code="OK",method="Classify"} 100
resnetd_rpc_requests_total{code="RESOURCE_EXHAUSTED",method="Classify"} 5
resnetd_rpc_in_flight{method="Classify"} 3
resnetd_rpc_in_flight{method="GetModel"} 1
resnetd_rpc_duration_seconds_bucket{code="OK",method="Classify",le="0.01"} 50
resnetd_rpc_duration_seconds_bucket{code="OK",method="Classify",le="0.02"} 60
resnetd_rpc_duration_seconds_bucket{code="OK",method="Classify",le="+Inf"} 60
resnetd_rpc_duration_seconds_bucket{code="OK",method="ListModels",le="0.01"} 0
resnetd_rpc_duration_seconds_bucket{code="OK",method="ListModels",le="+Inf"} 9
resnetd_images_total{model="cats",outcome="OK"} 200
resnetd_images_total{model="cats",outcome="INVALID_ARGUMENT"} 1
resnetd_images_total{model="dogs",outcome="OK"} 0
resnetd_queue_depth_images{model="cats"} 7
resnetd_queue_depth_images{model="dogs"} 1
resnetd_queue_limit_images{model="cats"} 64
resnetd_queue_limit_images{model="dogs"} 64
resnetd_rejected_total{model="cats",reason="queue_full"} 5
resnetd_batch_size_images_sum{model="cats"} 200
resnetd_batch_size_images_count{model="cats"} 100
resnetd_stage_duration_seconds_sum{model="cats",stage="queue"} 1
resnetd_stage_duration_seconds_count{model="cats",stage="queue"} 100
resnetd_stage_duration_seconds_sum{model="cats",stage="forward"} 2
resnetd_stage_duration_seconds_count{model="cats",stage="forward"} 100
)";

constexpr char kNow[] = R"(
resnetd_build_info{version="1.2.3"} 1
resnetd_ready 1
process_cpu_seconds_total 13
process_resident_memory_bytes 2097152
resnetd_rpc_requests_total{code="OK",method="Classify"} 120
resnetd_rpc_requests_total{code="RESOURCE_EXHAUSTED",method="Classify"} 15
resnetd_rpc_in_flight{method="Classify"} 4
resnetd_rpc_in_flight{method="GetModel"} 0
resnetd_rpc_duration_seconds_bucket{code="OK",method="Classify",le="0.01"} 60
resnetd_rpc_duration_seconds_bucket{code="OK",method="Classify",le="0.02"} 80
resnetd_rpc_duration_seconds_bucket{code="OK",method="Classify",le="+Inf"} 80
resnetd_rpc_duration_seconds_bucket{code="OK",method="ListModels",le="0.01"} 0
resnetd_rpc_duration_seconds_bucket{code="OK",method="ListModels",le="+Inf"} 9999
resnetd_images_total{model="cats",outcome="OK"} 240
resnetd_images_total{model="cats",outcome="INVALID_ARGUMENT"} 3
resnetd_images_total{model="dogs",outcome="OK"} 0
resnetd_queue_depth_images{model="cats"} 8
resnetd_queue_depth_images{model="dogs"} 1
resnetd_queue_limit_images{model="cats"} 64
resnetd_queue_limit_images{model="dogs"} 64
resnetd_rejected_total{model="cats",reason="queue_full"} 15
resnetd_batch_size_images_sum{model="cats"} 240
resnetd_batch_size_images_count{model="cats"} 110
resnetd_stage_duration_seconds_sum{model="cats",stage="queue"} 1.5
resnetd_stage_duration_seconds_count{model="cats",stage="queue"} 110
resnetd_stage_duration_seconds_sum{model="cats",stage="forward"} 2.1
resnetd_stage_duration_seconds_count{model="cats",stage="forward"} 110
resnetd_finetune_job_info{base="",config_hash="",model="cats",slot="0",train_job="jobs/7"} 1
resnetd_finetune_job_state{slot="0",state="RUNNING"} 1
resnetd_finetune_step{slot="0"} 12
resnetd_finetune_step_limit{slot="0"} 100
resnetd_finetune_steps_total{slot="0"} 12
resnetd_finetune_examples_total{slot="0"} 96
resnetd_finetune_loss{slot="0",split="train"} 0.5
resnetd_finetune_loss{slot="0",split="validation"} 0.75
)";

TEST(FiguresBetweenTest, TellsWhatHappenedInTheTimeBetween) {
  const TopFigures figures =
      FiguresBetween(Reading(100, kBefore), Reading(102, kNow));
  EXPECT_EQ(figures.version, "1.2.3");
  EXPECT_TRUE(figures.is_ready);
  EXPECT_EQ(figures.seconds, 2);
  EXPECT_EQ(figures.calls_per_second, 15);
  EXPECT_EQ(figures.images_per_second, 20);
  EXPECT_EQ(figures.refused_per_second, 5);
  EXPECT_EQ(figures.in_flight, 4);
  EXPECT_EQ(figures.queue, 9);
  EXPECT_EQ(figures.cpu_cores, 1.5);
  EXPECT_EQ(figures.memory_bytes, 2097152);
  EXPECT_EQ(figures.batch_images, 4);
}

TEST(FiguresBetweenTest, QuantilesAreThoseOfClassifyingInTheTimeBetween) {
  // 10 of 20 answers within 10 ms, 20 within 20 ms.
  const TopFigures figures =
      FiguresBetween(Reading(100, kBefore), Reading(102, kNow));
  ASSERT_TRUE(figures.p50_seconds && figures.p99_seconds);
  EXPECT_DOUBLE_EQ(*figures.p50_seconds, 0.01);
  EXPECT_DOUBLE_EQ(*figures.p99_seconds, 0.0198);
}

TEST(FiguresBetweenTest, HasEachModelByItself) {
  const TopFigures figures =
      FiguresBetween(Reading(100, kBefore), Reading(102, kNow));
  ASSERT_EQ(figures.models.size(), 2U);
  const TopModel& cats = figures.models[0];
  EXPECT_EQ(cats.name, "cats");
  EXPECT_EQ(cats.images_per_second, 20);
  EXPECT_EQ(cats.failed_per_second, 1);
  EXPECT_EQ(cats.refused_per_second, 5);
  EXPECT_EQ(cats.batch_images, 4);
  EXPECT_EQ(cats.queue_seconds, 0.05);
  ASSERT_TRUE(cats.forward_seconds);
  EXPECT_NEAR(*cats.forward_seconds, 0.01, 1e-12);
  EXPECT_EQ(cats.queue, 8);
  EXPECT_EQ(cats.queue_limit, 64);
  EXPECT_EQ(figures.models[1].name, "dogs");
  EXPECT_FALSE(figures.models[1].batch_images);
  EXPECT_FALSE(figures.models[1].queue_seconds);
}

TEST(FiguresBetweenTest, HasTheJobThatTrains) {
  const TopFigures figures =
      FiguresBetween(Reading(100, kBefore), Reading(102, kNow));
  ASSERT_EQ(figures.jobs.size(), 1U);
  const TopJob& job = figures.jobs[0];
  EXPECT_EQ(job.job, "jobs/7");
  EXPECT_EQ(job.model, "cats");
  EXPECT_EQ(job.state, "RUNNING");
  EXPECT_EQ(job.step, 12);
  EXPECT_EQ(job.step_limit, 100);
  EXPECT_EQ(job.steps_per_second, 6);
  EXPECT_EQ(job.pictures_per_second, 48);
  EXPECT_EQ(job.loss, 0.5);
}

TEST(FiguresBetweenTest, WhereNothingHappenedThereAreNoMeans) {
  const TopFigures figures =
      FiguresBetween(Reading(100, kNow), Reading(101, kNow));
  EXPECT_EQ(figures.calls_per_second, 0);
  EXPECT_FALSE(figures.p50_seconds);
  EXPECT_FALSE(figures.p99_seconds);
  EXPECT_FALSE(figures.batch_images);
}

TEST(FiguresBetweenTest, AServerThatBeganAnewCountsFromThere) {
  const TopFigures figures =
      FiguresBetween(Reading(100, kNow), Reading(101, kBefore));
  EXPECT_EQ(figures.images_per_second, 200);
  EXPECT_EQ(figures.calls_per_second, 105);
  EXPECT_GE(figures.refused_per_second, 0);
}

TEST(FiguresBetweenTest, NothingAtAllIsNothing) {
  const TopFigures figures = FiguresBetween(Reading(1, ""), Reading(1, ""));
  EXPECT_FALSE(figures.is_ready);
  EXPECT_EQ(figures.version, "");
  EXPECT_TRUE(figures.models.empty());
  EXPECT_EQ(figures.calls_per_second, 0);
}

}  // namespace
}  // namespace resnetd::cli
