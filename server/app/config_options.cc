#include "server/app/config_options.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <type_traits>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "server/models/device_name.h"

namespace resnetd {
namespace {

constexpr std::int64_t kOneGiB = 1LL << 30;
// gRPC's own limit of a message: its length is a signed 32-bit number.
constexpr std::int64_t kMaxMessageBytes = 0x7fffffff;
// Above any disk; below what sums of it overflow.
constexpr std::int64_t kMaxStoreBytes = 1LL << 50;
constexpr std::int64_t kOneYearS = 365LL * 24 * 3600;

// What CLI11 shows when a device is misspelt; empty: nothing is.
std::string ServingDeviceProblem(const std::string& text) {
  return std::string(ParseDeviceNames(text).status().message());
}

std::string TrainingDeviceProblem(const std::string& text) {
  return std::string(ParseDeviceName(text).status().message());
}

// Adds options to `app`, each with its environment variable.
class Options {
 public:
  explicit Options(CLI::App& app) : app_(app) {}

  template <typename T>
  CLI::Option* Add(const std::string& name, T& value, const std::string& help) {
    names_.push_back(name);
    CLI::Option* option = app_.add_option("--" + name, value, help);
    // Shown in the help; read by EnvironmentArguments().
    option->envname(VariableOf(name));
    if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      // No default is captured: an empty list would be printed as the text
      // "[]", which reads back as one element.
      return option->delimiter(',');
    } else {
      return option->capture_default_str()->multi_option_policy(
          CLI::MultiOptionPolicy::TakeLast);
    }
  }

  // True where it is given; --name=false takes it back.
  void AddSwitch(const std::string& name, bool& value,
                 const std::string& help) {
    names_.push_back(name);
    app_.add_flag("--" + name, value, help)->envname(VariableOf(name));
  }

  template <typename T>
  void AddInRange(const std::string& name, T& value, std::int64_t least,
                  std::int64_t most, const std::string& help) {
    Add(name, value, help)
        ->check(CLI::Range(static_cast<T>(least), static_cast<T>(most)));
  }

  const std::vector<std::string>& names() const { return names_; }

 private:
  CLI::App& app_;
  std::vector<std::string> names_;
};

void AddModelOptions(Options& options, Config& config) {
  options.Add("model", config.models,
              "Folder of a model to serve: model.safetensors or model.pth, "
              "manifest.json, labels.txt. Repeat, or separate by commas, for "
              "more. Without any model "
              "and --data-dir: the demo model");
  options.Add("weights", config.weights,
              "One file to serve: .safetensors, or .pth with a state dict");
  options.Add("labels", config.labels,
              "Labels of --weights, one a line. Default: 0, 1, ...");
  options.Add("architecture", config.architecture,
              "Network of --weights, e.g. resnet50. Default: recognised");
  options.Add("model-name", config.model_name,
              "Name of --weights. Default: that of the file");
  options.Add("models-file", config.models_file,
              "TOML list of models that the server brings about at start");
  options.Add("default-model", config.default_model,
              "Model that answers calls naming none. Default: the first");
  options.Add("backend", config.backend, "Who computes: engine (CPU) or torch")
      ->check(CLI::IsMember({"engine", "torch"}));
  options
      .Add("device", config.device,
           "Where the torch backend computes: cpu, cuda, cuda:N (the GPU N) or "
           "several GPUs with commas between, each with a copy of every model; "
           "fake: the host, driven as a GPU is, to try that out (fake:N breaks "
           "after N batches)")
      ->check(ServingDeviceProblem);
  options
      .Add("precision", config.precision,
           "Arithmetic of the engine: fp32, or after a start in fp32 bf16, "
           "int8 or auto (the fastest on this machine), where it agrees with "
           "fp32; of a GPU: fp32, bf16 or fp16")
      ->check(CLI::IsMember({"fp32", "bf16", "fp16", "int8", "auto"}));
  options.Add("model-precision", config.model_precisions,
              "NAME=PRECISION: what one model is served in instead of "
              "--precision. Repeat, or separate by commas, for more");
  options.Add("calibration-pictures", config.calibration_pictures,
              "Folder of pictures like those that will be asked for, for int8; "
              "in a folder MODEL in it those of one model. Versions that "
              "were trained here, or that resnetctl models quantize was asked "
              "of, have their own. Without any: no int8");
}

void AddStoreOptions(Options& options, Config& config) {
  options.Add("data-dir", config.data_dir,
              "Folder that keeps every version and alias; made when missing. "
              "Default: a temporary one, gone at the end");
  options.AddInRange("store-quota-bytes", config.store_quota_bytes, 0,
                     kMaxStoreBytes, "All files of the store; 0: no limit");
  options.AddInRange("keep-versions", config.keep_versions, 0, 1'000'000,
                     "Versions of a model, beside those that aliases name, "
                     "that are kept when one is imported; 0: all");
  options.AddInRange("collect-grace-s", config.collect_grace_s, 0, kOneYearS,
                     "Seconds that files stay after nothing names them");
}

void AddRoleOptions(Options& options, Config& config) {
  options
      .Add("roles", config.roles,
           "What this server does: all, serve (follows --registry and owns no "
           "store) or control,train (owns the store, does not classify)")
      ->check(CLI::IsMember({"all", "serve", "control,train"}));
  options.Add("registry", config.registry,
              "HOST:PORT of the server whose models --roles=serve serves");
}

void AddRegistryOptions(Options& options, Config& config) {
  options.Add("registry-ca", config.registry_ca,
              "PEM file of the authorities that vouch for the registry; with "
              "it the registry is spoken to over TLS");
  options.Add("registry-cert", config.registry_cert,
              "PEM file of the certificate shown to the registry");
  options.Add("registry-key", config.registry_key, "Its private key");
  options.Add("registry-token-file", config.registry_token_file,
              "File with the token that the registry knows this server by");
  options.Add("registry-server-name", config.registry_server_name,
              "Name in the registry's certificate. Default: the host of "
              "--registry");
}

void AddAccessOptions(Options& options, Config& config) {
  options.Add("tls-cert", config.tls_cert,
              "PEM file of the server's certificate and its chain; gRPC over "
              "TLS alone. Read again when it changes");
  options.Add("tls-key", config.tls_key, "PEM file of its private key");
  options.Add("tls-client-ca", config.tls_client_ca,
              "PEM file of authorities: clients need a certificate of one");
  options.Add("tokens", config.tokens,
              "TOML file of who may do what, by tokens and certificates "
              "(resnetctl token new). Read again when it changes");
  options.AddSwitch("insecure-plaintext", config.insecure_plaintext,
                    "Listen, and speak to --registry, beyond the loopback "
                    "without TLS: everybody on the network reads and calls");
}

void AddListenerOptions(Options& options, Config& config) {
  options.Add("listen", config.listen,
              "HOST:PORT of gRPC; :PORT: all addresses; port 0: any free");
  options.Add("http-listen", config.http_listen,
              "HOST:PORT of /metrics /livez /readyz /version");
  options.Add("port-file", config.port_file,
              "Write the ports as JSON to this file once ready");
}

void AddComputeOptions(Options& options, Config& config) {
  options.AddInRange("threads", config.threads, 0, 1024,
                     "Threads of one batch; 0: 1, or 2 where nothing trains");
  options.AddInRange("workers", config.workers, 0, 256,
                     "Batches that run at once; 0: cores / threads");
  options.AddInRange("decode-threads", config.decode_threads, 0, 1024,
                     "Threads that decode; 0: cores - 1");
  options.AddInRange("train-threads", config.train_threads, 0, 1024,
                     "Threads of a training step; 0: half of the cores beside "
                     "serving, else all");
  options
      .Add("train-device", config.train_device,
           "Where jobs train: cpu, cuda or cuda:N; fake: the host, watched as "
           "a GPU is (fake:N breaks after N steps). Default: on the GPU that "
           "serves, else on the CPU")
      ->check([](const std::string& text) {
        // Empty: the default, as --print-config shows it.
        return text.empty() ? "" : TrainingDeviceProblem(text);
      });
  options.AddInRange("max-batch", config.max_batch, 0, 128,
                     "Images in one run of the network; 0: 4, on a GPU 32");
  options.AddInRange("batch-objective-ms", config.batch_objective_ms, 0, 60'000,
                     "Batches stay so small that two of them take no longer; "
                     "0: as large as allowed");
  options.Add(
      "allowed-batch-sizes", config.allowed_batch_sizes,
      "Sizes that the device runs, e.g. 1,2,4,8; the last is "
      "--max-batch. Batches in between are filled up. Default: any, on a "
      "GPU 1, 2, 4, 8, ...");
}

void AddRequestLimits(Options& options, Config& config) {
  options.AddInRange("max-message-bytes", config.max_message_bytes, 1024,
                     kMaxMessageBytes, "Largest gRPC message");
  options.AddInRange("max-images-per-request", config.max_images_per_request, 1,
                     65'536, "Images in one Classify");
  options.AddInRange("max-image-bytes", config.max_image_bytes, 1, kOneGiB,
                     "Largest encoded image");
  options.AddInRange("max-image-pixels", config.max_image_pixels, 1, kOneGiB,
                     "Most pixels of an image");
  options.AddInRange("max-image-side", config.max_image_side, 1, 65'535,
                     "Longest side of an image, in pixels");
  options.AddInRange("max-progressive-scans", config.max_progressive_scans, 1,
                     10'000, "Most scans of a progressive JPEG");
  options.AddInRange("max-decode-bytes", config.max_decode_bytes, 1,
                     64 * kOneGiB,
                     "Memory of pictures that are decoded at once");
  options.AddInRange("max-queue-images", config.max_queue_images, 1, 1'000'000,
                     "Images that may wait for one model");
  options.AddInRange("max-queue-bytes", config.max_queue_bytes, 1, 64 * kOneGiB,
                     "Bytes of images that may wait");
  options.AddInRange("max-queue-wait-ms", config.max_queue_wait_ms, 1, 600'000,
                     "Longest predicted wait before a request is refused");
  options.AddInRange("default-deadline-ms", config.default_deadline_ms, 1,
                     600'000, "Deadline of calls that bring none");
  options.AddInRange("max-deadline-ms", config.max_deadline_ms, 1, 3'600'000,
                     "Longest deadline; a later one is cut");
}

void AddCallLimits(Options& options, Config& config) {
  options.AddInRange("max-calls", config.max_calls, 1, 1'000'000,
                     "Calls at once, over all connections");
  options.AddInRange("max-calls-per-connection",
                     config.max_calls_per_connection, 1, 1'000'000,
                     "Calls at once on one connection");
  options.AddInRange("max-calls-per-stream", config.max_calls_per_stream, 1,
                     65'536, "Requests at once on one ClassifyStream");
  options.AddInRange("max-calls-per-client", config.max_calls_per_client, 1,
                     1'000'000, "Calls at once from one address");
  options.AddInRange("max-bytes-held", config.max_bytes_held, 1, 64 * kOneGiB,
                     "Bytes of requests being answered");
  options.AddInRange("max-bytes-held-per-client",
                     config.max_bytes_held_per_client, 1, 64 * kOneGiB,
                     "Bytes of requests being answered, from one address");
  options.AddInRange("max-images-per-second-per-client",
                     config.max_images_per_second_per_client, 0, 10'000'000,
                     "Images that one address may send; 0: no limit");
  options.AddInRange("max-image-burst-per-client",
                     config.max_image_burst_per_client, 0, 10'000'000,
                     "Images at once within that; 0: those of one second");
  options.AddInRange("max-metadata-bytes", config.max_metadata_bytes, 1024,
                     1LL << 20, "Metadata of one call");
}

void AddConnectionLimits(Options& options, Config& config) {
  options.AddInRange("max-connection-age-ms", config.max_connection_age_ms,
                     1'000, 86'400'000, "Age at which a connection is renewed");
  options.AddInRange("max-connection-age-grace-ms",
                     config.max_connection_age_grace_ms, 1, 86'400'000,
                     "Then for the calls that are on it");
  options.AddInRange("max-connection-idle-ms", config.max_connection_idle_ms,
                     1'000, 86'400'000,
                     "After so long without a call a connection is closed");
  options.AddInRange("keepalive-ms", config.keepalive_ms, 1'000, 86'400'000,
                     "After so long without a sign of a client it is asked");
  options.AddInRange("keepalive-timeout-ms", config.keepalive_timeout_ms, 100,
                     600'000, "Time of a client to answer that");
  options.AddInRange("min-ping-interval-ms", config.min_ping_interval_ms, 1,
                     600'000, "Clients that ask more often are disconnected");
  options.AddInRange("max-streams-per-connection",
                     config.max_streams_per_connection, 1, 65'536,
                     "Streams that HTTP/2 clients are told they may open");
}

void AddStoredLimits(Options& options, Config& config) {
  options.AddInRange("max-import-bytes", config.max_import_bytes, 1,
                     64 * kOneGiB, "Largest file that is imported");
  options.AddInRange("max-model-bytes", config.max_model_bytes, 0,
                     kMaxStoreBytes,
                     "Memory for loaded versions together; 0: no limit");
  options.AddInRange("max-dataset-examples", config.max_dataset_examples, 1,
                     100'000'000, "Examples of one dataset");
  options.AddInRange("max-dataset-bytes", config.max_dataset_bytes, 1,
                     kMaxStoreBytes, "Encoded pictures of one dataset");
  options.AddInRange("max-dataset-labels", config.max_dataset_labels, 1,
                     100'000, "Classes of one dataset");
  options.AddInRange("max-upload-examples", config.max_upload_examples, 1,
                     65'536, "Examples in one message of an upload");
  options.AddInRange("max-jobs", config.max_jobs, 1, 10'000,
                     "Fine-tuning jobs that wait or run");
  options.AddInRange("max-jobs-per-client", config.max_jobs_per_client, 1,
                     10'000,
                     "Of these, jobs that one caller created, known by its "
                     "token or certificate");
}

void AddOperationOptions(Options& options, Config& config) {
  options.AddInRange("drain-delay-ms", config.drain_delay_ms, 0, 600'000,
                     "Time between readiness off and refusing calls");
  options.AddInRange("drain-grace-ms", config.drain_grace_ms, 0, 3'600'000,
                     "Time for calls in flight to finish");
  options.Add("log-level", config.log_level, "Least level that is written")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  options
      .Add("log-format", config.log_format, "text or json (one object a line)")
      ->check(CLI::IsMember({"text", "json"}));
}

}  // namespace

std::string VariableOf(const std::string& name) {
  return "RESNETD_" +
         absl::StrReplaceAll(absl::AsciiStrToUpper(name), {{"-", "_"}});
}

std::vector<std::string> AddSettings(CLI::App& app, Config& config) {
  Options options(app);
  AddModelOptions(options, config);
  AddStoreOptions(options, config);
  AddRoleOptions(options, config);
  AddRegistryOptions(options, config);
  AddAccessOptions(options, config);
  AddListenerOptions(options, config);
  AddComputeOptions(options, config);
  AddRequestLimits(options, config);
  AddCallLimits(options, config);
  AddConnectionLimits(options, config);
  AddStoredLimits(options, config);
  AddOperationOptions(options, config);
  app.add_option("--training-gives-way", config.training_gives_way)
      ->group("")
      ->configurable(false);
  return options.names();
}

}  // namespace resnetd
