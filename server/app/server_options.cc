#include "server/app/server_options.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/log.h"
#include "server/engine/openmp.h"
#include "server/image/image_decoder.h"

namespace resnetd {
namespace {

std::chrono::milliseconds Milliseconds(std::int64_t value) {
  return std::chrono::milliseconds(value);
}

DecodeLimits DecodeLimitsOf(const Config& config) {
  return {.max_encoded_bytes = static_cast<std::size_t>(config.max_image_bytes),
          .max_pixels = config.max_image_pixels,
          .max_side = config.max_image_side,
          .max_progressive_scans = config.max_progressive_scans};
}

// A worker whose cores are refused runs wherever the scheduler puts it.
std::function<void(std::size_t)> PlacementOf(const ThreadPlan& plan) {
  if (plan.cores.empty()) {
    return {};
  }
  return [cores = plan.cores](std::size_t worker) {
    if (!PlaceTeam(cores[worker])) {
      Log(LogLevel::kWarning,
          "the system refused to tie a worker to its cores: answers may take "
          "longer beside training",
          {{"worker", absl::StrCat(worker)}});
    }
  };
}

}  // namespace

ClassifierOptions ClassifierOptionsOf(const Config& config,
                                      const ThreadPlan& plan) {
  return {
      .decode = DecodeLimitsOf(config),
      .max_images_per_request =
          static_cast<std::size_t>(config.max_images_per_request),
      .rate = {.images_per_second = static_cast<std::size_t>(
                   config.max_images_per_second_per_client),
               .burst =
                   static_cast<std::size_t>(config.max_image_burst_per_client)},
      .queue = {.max_images = static_cast<std::size_t>(config.max_queue_images),
                .max_bytes = static_cast<std::size_t>(config.max_queue_bytes),
                .max_wait = Milliseconds(config.max_queue_wait_ms)},
      .max_batch = static_cast<std::size_t>(MaxBatch(config)),
      .batch_objective = Milliseconds(config.batch_objective_ms),
      .allowed_batches =
          BatchSizesOf(config).value_or(std::vector<std::size_t>()),
      .decode_threads = static_cast<std::size_t>(plan.decode_threads),
      .max_decode_bytes = static_cast<std::size_t>(config.max_decode_bytes),
      .workers = static_cast<std::size_t>(plan.workers),
      .on_worker_start = PlacementOf(plan)};
}

GrpcServerOptions GrpcOptionsOf(const Config& config,
                                const Endpoint& endpoint) {
  const auto size = [](std::int64_t value) {
    return static_cast<std::size_t>(value);
  };
  GrpcServerOptions options;
  options.host = endpoint.host;
  options.port = endpoint.port;
  options.is_replica = IsReplica(config);
  options.classifies = Classifies(config);
  options.requests = {
      .max_images_per_request = size(config.max_images_per_request),
      .max_encoded_image_bytes = size(config.max_image_bytes),
      .max_pixels = config.max_image_pixels,
      .max_side = config.max_image_side,
      .max_calls_per_stream = size(config.max_calls_per_stream),
      .max_import_bytes = config.max_import_bytes,
      .max_upload_examples = size(config.max_upload_examples),
      .max_dataset_labels = size(config.max_dataset_labels),
      .default_deadline = Milliseconds(config.default_deadline_ms),
      .max_deadline = Milliseconds(config.max_deadline_ms)};
  options.calls = {
      .max_calls = size(config.max_calls),
      .max_calls_per_connection = size(config.max_calls_per_connection),
      .max_calls_per_client = size(config.max_calls_per_client),
      .max_streams_per_connection =
          static_cast<std::size_t>(config.max_streams_per_connection),
      .max_bytes_held = size(config.max_bytes_held),
      .max_bytes_held_per_client = size(config.max_bytes_held_per_client)};
  options.max_message_bytes = size(config.max_message_bytes);
  options.max_metadata_bytes = size(config.max_metadata_bytes);
  options.max_connection_age = Milliseconds(config.max_connection_age_ms);
  options.max_connection_age_grace =
      Milliseconds(config.max_connection_age_grace_ms);
  options.max_connection_idle = Milliseconds(config.max_connection_idle_ms);
  options.keepalive_time = Milliseconds(config.keepalive_ms);
  options.keepalive_timeout = Milliseconds(config.keepalive_timeout_ms);
  options.min_ping_interval = Milliseconds(config.min_ping_interval_ms);
  options.max_concurrent_streams = config.max_streams_per_connection;
  return options;
}

RegistryClientOptions RegistryOptionsOf(const Config& config) {
  RegistryClientOptions options;
  options.ca_file = config.registry_ca;
  options.certificate_file = config.registry_cert;
  options.key_file = config.registry_key;
  options.token_file = config.registry_token_file;
  options.server_name = config.registry_server_name;
  return options;
}

StoreOptions StoreOptionsOf(const Config& config) {
  StoreOptions options;
  options.folder = config.data_dir;
  options.quota_bytes = config.store_quota_bytes;
  options.collect_grace = std::chrono::seconds(config.collect_grace_s);
  return options;
}

std::string ChoicesFolderOf(const Config& config) {
  return config.data_dir.empty() ? ""
                                 : absl::StrCat(config.data_dir, "/precision");
}

ModelManagerOptions ManagerOptionsOf(const Config& config) {
  return {.max_batch = static_cast<std::size_t>(MaxBatch(config)),
          .max_model_bytes = config.max_model_bytes,
          .max_import_bytes = config.max_import_bytes,
          .keep_versions = config.keep_versions};
}

DatasetOptions DatasetOptionsOf(const Config& config, const ThreadPlan& plan) {
  return {.decode = DecodeLimitsOf(config),
          .max_examples = config.max_dataset_examples,
          .max_bytes = config.max_dataset_bytes,
          .max_labels = static_cast<std::size_t>(config.max_dataset_labels),
          .decode_threads = static_cast<std::size_t>(plan.decode_threads)};
}

JobManagerOptions JobOptionsOf(const Config& config, const ThreadPlan& plan) {
  return {.limits = {.open = config.max_jobs,
                     .open_per_creator = config.max_jobs_per_client},
          .threads = plan.train_threads,
          .device = TrainDevice(config),
          .gives_way = config.training_gives_way};
}

}  // namespace resnetd
