#include "server/app/server_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "server/base/thread.h"
#include "server/base/thread_affinity.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

TEST(ServerOptionsTest, TheStoreTakesItsSettings) {
  Config config;
  config.data_dir = "/data";
  config.store_quota_bytes = 11;
  config.collect_grace_s = 13;
  const StoreOptions options = StoreOptionsOf(config);
  EXPECT_EQ(options.folder, "/data");
  EXPECT_EQ(options.quota_bytes, 11);
  EXPECT_EQ(options.collect_grace, std::chrono::seconds(13));
}

TEST(ServerOptionsTest, ChoicesAreKeptInTheFolderOfTheStoreIfItStays) {
  Config config;
  EXPECT_EQ(ChoicesFolderOf(config), "");
  config.data_dir = "/data";
  EXPECT_EQ(ChoicesFolderOf(config), "/data/precision");
}

TEST(ServerOptionsTest, TheManagerTakesItsSettings) {
  Config config;
  config.max_batch = 3;
  config.max_model_bytes = 5;
  config.max_import_bytes = 7;
  config.keep_versions = 9;
  const ModelManagerOptions options = ManagerOptionsOf(config);
  EXPECT_EQ(options.max_batch, 3U);
  EXPECT_EQ(options.max_model_bytes, 5);
  EXPECT_EQ(options.max_import_bytes, 7);
  EXPECT_EQ(options.keep_versions, 9);
}

TEST(ServerOptionsTest, DatasetsTakeTheirSettings) {
  Config config;
  config.max_dataset_examples = 3;
  config.max_dataset_labels = 5;
  config.max_upload_examples = 7;
  config.max_image_bytes = 9;
  config.max_dataset_bytes = 13;
  const DatasetOptions options =
      DatasetOptionsOf(config, {.decode_threads = 11});
  EXPECT_EQ(options.max_examples, 3);
  EXPECT_EQ(options.max_labels, 5U);
  EXPECT_EQ(options.max_bytes, 13);
  EXPECT_EQ(options.decode.max_encoded_bytes, 9U);
  EXPECT_EQ(options.decode_threads, 11U);
  const GrpcServerOptions listener = GrpcOptionsOf(config, {});
  EXPECT_EQ(listener.requests.max_dataset_labels, 5U);
  EXPECT_EQ(listener.requests.max_upload_examples, 7U);
}

TEST(ServerOptionsTest, JobsTakeTheirLimits) {
  Config config;
  config.max_jobs = 3;
  config.max_jobs_per_client = 5;
  const JobManagerOptions options = JobOptionsOf(config, {});
  EXPECT_EQ(options.limits.open, 3);
  EXPECT_EQ(options.limits.open_per_creator, 5);
}

TEST(ServerOptionsTest, ThePlanOfThreadsReachesTheModules) {
  const ThreadPlan plan = {
      .workers = 3, .threads = 5, .decode_threads = 7, .train_threads = 9};
  const ClassifierOptions options = ClassifierOptionsOf({}, plan);
  EXPECT_EQ(options.workers, 3U);
  EXPECT_EQ(options.decode_threads, 7U);
  EXPECT_FALSE(options.on_worker_start);
  EXPECT_EQ(DatasetOptionsOf({}, plan).decode_threads, 7U);
  EXPECT_EQ(JobOptionsOf({}, plan).threads, 9);
}

// Each with a number of its own, so that none can stand in for another.
TEST(ServerOptionsTest, EveryLimitOfServingReachesTheQueueAndTheDecoders) {
  Config config;
  config.max_image_bytes = 3;
  config.max_image_pixels = 5;
  config.max_image_side = 7;
  config.max_progressive_scans = 11;
  config.max_decode_bytes = 13;
  config.max_images_per_request = 17;
  config.max_queue_images = 19;
  config.max_queue_bytes = 23;
  config.max_queue_wait_ms = 29;
  config.max_images_per_second_per_client = 31;
  config.max_image_burst_per_client = 37;
  config.max_batch = 41;
  config.batch_objective_ms = 43;
  config.allowed_batch_sizes = {"2", "41"};
  const ClassifierOptions options = ClassifierOptionsOf(config, {});
  EXPECT_EQ(options.decode.max_encoded_bytes, 3U);
  EXPECT_EQ(options.decode.max_pixels, 5);
  EXPECT_EQ(options.decode.max_side, 7);
  EXPECT_EQ(options.decode.max_progressive_scans, 11);
  EXPECT_EQ(options.max_decode_bytes, 13U);
  EXPECT_EQ(options.max_images_per_request, 17U);
  EXPECT_EQ(options.queue.max_images, 19U);
  EXPECT_EQ(options.queue.max_bytes, 23U);
  EXPECT_EQ(options.queue.max_wait, milliseconds(29));
  EXPECT_EQ(options.rate.images_per_second, 31U);
  EXPECT_EQ(options.rate.burst, 37U);
  EXPECT_EQ(options.max_batch, 41U);
  EXPECT_EQ(options.batch_objective, milliseconds(43));
  EXPECT_THAT(options.allowed_batches, ElementsAre(2, 41));
}

TEST(ServerOptionsTest, EveryLimitOfCallsReachesTheListener) {
  Config config;
  config.max_images_per_request = 3;
  config.max_image_bytes = 5;
  config.max_image_pixels = 7;
  config.max_image_side = 11;
  config.max_calls_per_stream = 13;
  config.default_deadline_ms = 17;
  config.max_deadline_ms = 19;
  config.max_calls = 23;
  config.max_calls_per_connection = 29;
  config.max_calls_per_client = 31;
  config.max_streams_per_connection = 37;
  config.max_bytes_held = 41;
  config.max_bytes_held_per_client = 43;
  const GrpcServerOptions options = GrpcOptionsOf(config, {});
  EXPECT_EQ(options.requests.max_images_per_request, 3U);
  EXPECT_EQ(options.requests.max_encoded_image_bytes, 5U);
  EXPECT_EQ(options.requests.max_pixels, 7);
  EXPECT_EQ(options.requests.max_side, 11);
  EXPECT_EQ(options.requests.max_calls_per_stream, 13U);
  EXPECT_EQ(options.requests.default_deadline, milliseconds(17));
  EXPECT_EQ(options.requests.max_deadline, milliseconds(19));
  EXPECT_EQ(options.calls.max_calls, 23U);
  EXPECT_EQ(options.calls.max_calls_per_connection, 29U);
  EXPECT_EQ(options.calls.max_calls_per_client, 31U);
  EXPECT_EQ(options.calls.max_streams_per_connection, 37U);
  EXPECT_EQ(options.max_concurrent_streams, 37);
  EXPECT_EQ(options.calls.max_bytes_held, 41U);
  EXPECT_EQ(options.calls.max_bytes_held_per_client, 43U);
}

TEST(ServerOptionsTest, EveryLimitOfConnectionsReachesTheListener) {
  Config config;
  config.max_message_bytes = 3;
  config.max_metadata_bytes = 5;
  config.max_connection_age_ms = 7;
  config.max_connection_age_grace_ms = 11;
  config.max_connection_idle_ms = 13;
  config.keepalive_ms = 17;
  config.keepalive_timeout_ms = 19;
  config.min_ping_interval_ms = 23;
  const GrpcServerOptions options = GrpcOptionsOf(config, {});
  EXPECT_EQ(options.max_message_bytes, 3U);
  EXPECT_EQ(options.max_metadata_bytes, 5U);
  EXPECT_EQ(options.max_connection_age, milliseconds(7));
  EXPECT_EQ(options.max_connection_age_grace, milliseconds(11));
  EXPECT_EQ(options.max_connection_idle, milliseconds(13));
  EXPECT_EQ(options.keepalive_time, milliseconds(17));
  EXPECT_EQ(options.keepalive_timeout, milliseconds(19));
  EXPECT_EQ(options.min_ping_interval, milliseconds(23));
}

TEST(ServerOptionsTest, AWorkerStartsOnItsCores) {
  const std::vector<int> allowed = AllowedCores();
  const ClassifierOptions options = ClassifierOptionsOf(
      {}, {.workers = 2, .cores = {{allowed.front()}, {allowed.back()}}});
  ASSERT_TRUE(options.on_worker_start);
  Thread("worker", [&options, &allowed] {
    options.on_worker_start(1);
    EXPECT_THAT(AllowedCores(), ElementsAre(allowed.back()));
  }).Join();
}

TEST(ServerOptionsTest, AWorkerWhoseCoreIsRefusedRunsWhereItMay) {
  const std::vector<int> allowed = AllowedCores();
  const ClassifierOptions options =
      ClassifierOptionsOf({}, {.workers = 1, .cores = {{-1}}});
  Thread("worker", [&options, &allowed] {
    options.on_worker_start(0);
    EXPECT_EQ(AllowedCores(), allowed);
  }).Join();
}

TEST(ServerOptionsTest, TheListenerTakesItsEndpoint) {
  const GrpcServerOptions options =
      GrpcOptionsOf({}, {.host = "localhost", .port = 7});
  EXPECT_EQ(options.host, "localhost");
  EXPECT_EQ(options.port, 7);
}

}  // namespace
}  // namespace resnetd
