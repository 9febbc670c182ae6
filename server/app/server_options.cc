#include "server/app/server_options.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "server/app/cpu.h"
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

std::size_t DecodeThreadsOf(const Config& config) {
  return static_cast<std::size_t>(config.decode_threads > 0
                                      ? config.decode_threads
                                      : std::max(1, UsableCores() - 1));
}

int TrainThreadsOf(const Config& config) {
  if (config.train_threads > 0) {
    return config.train_threads;
  }
  // The threads of a step wait for each other many times. At a priority that
  // gets what is left over, one that has to wait holds up all: beside serving a
  // step takes no more of them than serving leaves cores.
  const int cores = UsableCores();
  return Classifies(config) ? std::max(1, cores / 2) : cores;
}

}  // namespace

ClassifierOptions ClassifierOptionsOf(const Config& config) {
  return {
      .decode = DecodeLimitsOf(config),
      .max_images_per_request =
          static_cast<std::size_t>(config.max_images_per_request),
      .queue = {.max_images = static_cast<std::size_t>(config.max_queue_images),
                .max_bytes = static_cast<std::size_t>(config.max_queue_bytes),
                .max_wait = Milliseconds(config.max_queue_wait_ms)},
      .max_batch = static_cast<std::size_t>(config.max_batch),
      .decode_threads = DecodeThreadsOf(config),
      .workers = static_cast<std::size_t>(config.workers)};
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
      .max_import_bytes = config.max_import_bytes,
      .max_upload_examples = size(config.max_upload_examples),
      .max_dataset_labels = size(config.max_dataset_labels),
      .default_deadline = Milliseconds(config.default_deadline_ms),
      .max_deadline = Milliseconds(config.max_deadline_ms)};
  options.calls = {
      .max_calls = size(config.max_calls),
      .max_calls_per_connection = size(config.max_calls_per_connection),
      .max_bytes_held = size(config.max_bytes_held)};
  options.max_message_bytes = size(config.max_message_bytes);
  options.max_metadata_bytes = size(config.max_metadata_bytes);
  options.max_connection_age = Milliseconds(config.max_connection_age_ms);
  return options;
}

StoreOptions StoreOptionsOf(const Config& config) {
  StoreOptions options;
  options.folder = config.data_dir;
  options.quota_bytes = config.store_quota_bytes;
  options.collect_grace = std::chrono::seconds(config.collect_grace_s);
  return options;
}

ModelManagerOptions ManagerOptionsOf(const Config& config) {
  return {.max_batch = static_cast<std::size_t>(config.max_batch),
          .max_model_bytes = config.max_model_bytes,
          .max_import_bytes = config.max_import_bytes,
          .keep_versions = config.keep_versions};
}

DatasetOptions DatasetOptionsOf(const Config& config) {
  return {.decode = DecodeLimitsOf(config),
          .max_examples = config.max_dataset_examples,
          .max_labels = static_cast<std::size_t>(config.max_dataset_labels),
          .decode_threads = DecodeThreadsOf(config)};
}

JobManagerOptions JobOptionsOf(const Config& config) {
  return {.threads = TrainThreadsOf(config),
          .gives_way = config.training_gives_way};
}

}  // namespace resnetd
