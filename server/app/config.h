#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/log.h"

namespace resnetd {

// Every setting of the server: default, unit, range. The name of a setting is
// its flag; with - as _ and in capitals after RESNETD_ its environment
// variable; as it is its key in the TOML file. A flag beats the environment,
// the environment beats the file.
struct Config {
  // What to serve.
  std::vector<std::string> models;  // folders
  std::string weights;              // one file, .safetensors or .pth
  std::string labels;               // of weights; empty: numbered
  std::string architecture;         // of weights; empty: recognised
  std::string model_name;           // of weights; empty: the file's name
  std::string models_file;          // TOML list of models
  std::string default_model;        // name; empty: the first
  std::string backend = "engine";   // engine | torch
  // Of the torch backend, see ParseDeviceNames(): cpu, several GPUs, fakes.
  std::string device = "cpu";
  // engine: fp32 | bf16 | int8 | auto; torch on a GPU: fp32 | bf16 |
  // fp16.
  std::string precision = "fp32";
  std::vector<std::string> model_precisions;  // NAME=PRECISION each
  std::string calibration_pictures;           // folder; empty: none

  // What this server does: "all"; "serve": it owns no store and follows the
  // models of `registry`; "control,train": it owns the store, changes models
  // and trains, and leaves classifying to those that follow it.
  std::string roles = "all";
  std::string registry;  // HOST:PORT

  // Where versions are kept. Empty: a temporary store, gone at the end.
  std::string data_dir;
  std::int64_t store_quota_bytes = 0;  // 0: no limit
  std::int64_t collect_grace_s = 86'400;
  int keep_versions = 0;  // 0: all

  // How this server proves itself to the registry, and checks it.
  std::string registry_ca;
  std::string registry_cert;
  std::string registry_key;
  std::string registry_token_file;
  std::string registry_server_name;  // empty: the host of `registry`

  // Who may call. Without a certificate, and without insecure_plaintext, only
  // the loopback is listened on.
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;  // empty: clients need no certificate
  std::string tokens;         // empty: no roles
  bool insecure_plaintext = false;

  // Where to listen.
  std::string listen = "localhost:8001";
  std::string http_listen = ":8002";
  std::string port_file;  // empty: none

  // How to compute. 0: from the number of cores.
  int threads = 0;         // of one batch: 1 beside training, else 2
  int workers = 0;         // batches at once: cores / threads
  int decode_threads = 0;  // cores - 1, at least 1
  int train_threads = 0;   // of a training step: half of the cores, or all
  int max_batch = 0;       // images a batch: 4, on a GPU 32
  // Twice the time of a batch stays within this; 0: no such bound.
  std::int64_t batch_objective_ms = 0;
  // Sizes that batches are filled up to, as BatchSizesOf() reads them; empty:
  // every size runs as it is.
  std::vector<std::string> allowed_batch_sizes;

  // Where jobs train: cpu | cuda | cuda:N; empty: where the server serves.
  std::string train_device;

  // Of fine-tuning. False: at the priority of serving and without a guard, to
  // measure what they are worth (tests/bench/interference_bench.py); a flag
  // alone, in no help, file or variable.
  bool training_gives_way = true;

  // Limits.
  std::int64_t max_message_bytes = 64LL << 20;
  int max_images_per_request = 256;
  std::int64_t max_image_bytes = 20LL << 20;
  std::int64_t max_image_pixels = 50'000'000;
  int max_image_side = 16'384;
  int max_progressive_scans = 64;
  std::int64_t max_decode_bytes = 512LL << 20;
  int max_queue_images = 4096;
  std::int64_t max_queue_bytes = 512LL << 20;
  std::int64_t max_queue_wait_ms = 1'000;
  std::int64_t default_deadline_ms = 10'000;
  std::int64_t max_deadline_ms = 60'000;
  int max_calls = 4096;
  int max_calls_per_connection = 256;
  int max_calls_per_stream = 64;
  int max_calls_per_client = 1024;
  std::int64_t max_bytes_held = 512LL << 20;
  std::int64_t max_bytes_held_per_client = 128LL << 20;
  int max_images_per_second_per_client = 0;  // 0: no limit
  int max_image_burst_per_client = 0;        // 0: those of one second
  std::int64_t max_metadata_bytes = 8LL << 10;
  std::int64_t max_connection_age_ms = 600'000;
  std::int64_t max_connection_age_grace_ms = 30'000;
  std::int64_t max_connection_idle_ms = 300'000;
  std::int64_t keepalive_ms = 30'000;
  std::int64_t keepalive_timeout_ms = 10'000;
  std::int64_t min_ping_interval_ms = 10'000;
  int max_streams_per_connection = 256;
  std::int64_t max_import_bytes = 4LL << 30;
  std::int64_t max_model_bytes = 0;  // 0: no limit
  std::int64_t max_dataset_examples = 1'000'000;
  std::int64_t max_dataset_bytes = 50LL << 30;
  int max_dataset_labels = 10'000;
  int max_upload_examples = 256;
  int max_jobs = 100;
  int max_jobs_per_client = 10;  // where callers are told apart

  // Shutting down.
  std::int64_t drain_delay_ms = 0;
  // As long as the longest deadline: what was taken is answered.
  std::int64_t drain_grace_ms = 60'000;

  // Logs.
  std::string log_level = "info";   // debug | info | warning | error
  std::string log_format = "text";  // text | json
};

// What the command line asks for.
enum class Command { kServe, kVerifyStore, kBackUpStore, kPrintConfig, kExit };

struct ParsedCommandLine {
  Command command = Command::kServe;
  Config config;
  // kBackUpStore: the folder that is made.
  std::string backup;
  // kPrintConfig, kExit: goes to stdout as it is (TOML, help, version).
  std::string output;
};

// Reads flags, environment and file. INVALID_ARGUMENT with all that a person
// needs to correct it: which setting, what was given, what is accepted, the
// nearest known name for an unknown one.
absl::StatusOr<ParsedCommandLine> ParseCommandLine(int argc,
                                                   const char* const* argv);

// Whether the server follows a registry, and whether it classifies.
bool IsReplica(const Config& config);
bool Classifies(const Config& config);
// allowed_batch_sizes as numbers; without them those of a GPU's recordings, and
// of a CPU none: any. INVALID_ARGUMENT: one is none, they do not
// rise, or the last is not max_batch.
absl::StatusOr<std::vector<std::size_t>> BatchSizesOf(const Config& config);

// Whether a GPU serves, or the host in its place.
bool ServesOnGpu(const Config& config);
// The devices that serve, one by one. Precondition: they are known ones.
std::vector<std::string> DevicesOf(const Config& config);

// Images a batch. On a CPU larger ones gain nothing; the throughput of a GPU
// grows up to about 32 (docs/gpu.md).
int MaxBatch(const Config& config);

// Where jobs train: on the first GPU that serves. A device that only serves
// leaves that to the CPU.
std::string TrainDevice(const Config& config);

// The settings that a log line or GetServerInfo shows as limits: flag name and
// value in the unit that the name tells.
std::vector<std::pair<std::string, std::int64_t>> LimitsOf(
    const Config& config);

LogOptions LogOptionsOf(const Config& config);

}  // namespace resnetd
