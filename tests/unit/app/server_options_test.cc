#include "server/app/server_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "server/base/thread.h"
#include "server/base/thread_affinity.h"

namespace resnetd {
namespace {

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
  const DatasetOptions options =
      DatasetOptionsOf(config, {.decode_threads = 11});
  EXPECT_EQ(options.max_examples, 3);
  EXPECT_EQ(options.max_labels, 5U);
  EXPECT_EQ(options.decode.max_encoded_bytes, 9U);
  EXPECT_EQ(options.decode_threads, 11U);
  const GrpcServerOptions listener = GrpcOptionsOf(config, {});
  EXPECT_EQ(listener.requests.max_dataset_labels, 5U);
  EXPECT_EQ(listener.requests.max_upload_examples, 7U);
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

TEST(ServerOptionsTest, DecodersTakeTheirSettings) {
  Config config;
  config.max_image_pixels = 3;
  config.max_decode_bytes = 5;
  const ClassifierOptions options = ClassifierOptionsOf(config, {});
  EXPECT_EQ(options.decode.max_pixels, 3);
  EXPECT_EQ(options.max_decode_bytes, 5U);
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

TEST(ServerOptionsTest, TheListenerTakesEndpointAndLimits) {
  Config config;
  config.max_message_bytes = 2000;
  config.default_deadline_ms = 21;
  config.max_calls = 23;
  const GrpcServerOptions options =
      GrpcOptionsOf(config, {.host = "localhost", .port = 7});
  EXPECT_EQ(options.host, "localhost");
  EXPECT_EQ(options.port, 7);
  EXPECT_EQ(options.max_message_bytes, 2000U);
  EXPECT_EQ(options.requests.default_deadline, std::chrono::milliseconds(21));
  EXPECT_EQ(options.calls.max_calls, 23U);
}

}  // namespace
}  // namespace resnetd
