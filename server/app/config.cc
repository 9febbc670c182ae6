#include "server/app/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/app/access_settings.h"
#include "server/app/config_options.h"
#include "server/app/endpoint.h"
#include "server/app/model_precisions.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/suggest.h"
#include "server/base/version.h"
#include "server/models/batch_sizes.h"
#include "server/models/device_name.h"

namespace resnetd {
namespace {

// Twice the time of a batch of four is still short on a CPU, and more pictures
// gain nothing there; on a GPU batches gain up to about 32.
constexpr int kCpuBatch = 4;
constexpr int kGpuBatch = 32;

constexpr char kFooter[] =
    "Every flag is also an environment variable (RESNETD_MAX_BATCH) and a\n"
    "key of the TOML file (max-batch = 4); flags win over the environment,\n"
    "it over the file.\n\n"
    "Exit codes: 0 ended as it was told to, 1 could not start or go on,\n"
    "2 wrong settings or model files, 3 the GPU is broken for this process.";

absl::Status ConfigError(const std::string& text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               text);
}

bool IsGiven(const std::string& name, absl::Span<const char* const> arguments) {
  const std::string flag = "--" + name;
  return std::any_of(
      arguments.begin(), arguments.end(), [&flag](const std::string& argument) {
        return argument == flag || argument.starts_with(flag + "=");
      });
}

// The settings of the environment as flags, but for those that are given as
// flags anyway. CLI11 alone would let the file win over the environment; a
// deployment expects a variable to override the file it ships.
std::vector<std::string> EnvironmentArguments(
    const std::vector<std::string>& names,
    absl::Span<const char* const> arguments) {
  std::vector<std::string> found;
  for (const std::string& name : names) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread exists yet.
    const char* const value = std::getenv(VariableOf(name).c_str());
    if (value != nullptr && *value != '\0' && !IsGiven(name, arguments)) {
      found.push_back(absl::StrCat("--", name, "=", value));
    }
  }
  return found;
}

absl::Status UnknownFlag(const std::string& given,
                         const std::vector<std::string>& names) {
  const std::string text = given.substr(0, given.find('='));
  const bool is_flag = text.starts_with("-");
  const std::string name =
      text.substr(text.find_first_not_of('-') == std::string::npos
                      ? 0
                      : text.find_first_not_of('-'));
  return ConfigError(absl::StrCat("unknown ", is_flag ? "flag " : "argument ",
                                  Quoted(text), DidYouMean(name, names),
                                  "; see resnetd --help"));
}

// The file has a key that is no setting; the library's text ends with it.
absl::Status UnknownKey(const std::string& text,
                        const std::vector<std::string>& names) {
  std::string key = text.substr(text.rfind(' ') + 1);
  const std::size_t dot = key.find('.');
  const std::string hint =
      dot == std::string::npos
          ? DidYouMean(key, names)
          : "; settings stand at the top of the file, not in a [section]";
  key.resize(std::min(dot, key.size()));
  return ConfigError(absl::StrCat("the configuration file has the unknown key ",
                                  Quoted(key), hint, "; see resnetd --help"));
}

// Settings that say something of --weights alone.
absl::Status ValidateWeights(const Config& config) {
  if (!config.weights.empty()) {
    return absl::OkStatus();
  }
  for (const auto& [flag, value] :
       {std::pair{"--labels", &config.labels},
        std::pair{"--architecture", &config.architecture},
        std::pair{"--model-name", &config.model_name}}) {
    if (!value->empty()) {
      return ConfigError(
          absl::StrCat(flag, " needs --weights FILE, which it describes"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateRoles(const Config& config) {
  if (!IsReplica(config)) {
    return config.registry.empty()
               ? absl::OkStatus()
               : ConfigError(
                     "--registry needs --roles=serve: only a server without a "
                     "store of its own follows another one");
  }
  if (config.registry.empty()) {
    return ConfigError(
        "--roles=serve needs --registry HOST:PORT, the server whose models it "
        "serves");
  }
  RETURN_IF_ERROR(ParseEndpoint("--registry", config.registry).status());
  const bool has_models = !config.models.empty();
  for (const auto& [flag, is_set] :
       {std::pair{"--data-dir", !config.data_dir.empty()},
        std::pair{"--model", has_models},
        std::pair{"--weights", !config.weights.empty()},
        std::pair{"--models-file", !config.models_file.empty()},
        std::pair{"--default-model", !config.default_model.empty()}}) {
    if (is_set) {
      return ConfigError(absl::StrCat(
          flag,
          " does not go with --roles=serve: the registry says what is "
          "served"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateDevices(const Config& config) {
  if (config.device != "cpu" && config.backend != "torch") {
    return ConfigError(
        absl::StrCat("--device=", config.device,
                     " needs --backend=torch: the engine computes on the CPU"));
  }
  if (config.backend == "engine") {
    return config.precision != "fp16"
               ? absl::OkStatus()
               : ConfigError(
                     "--precision=fp16 needs a GPU, --backend=torch and "
                     "--device=cuda: the engine computes in fp32, bf16 and "
                     "int8");
  }
  if (config.precision == "fp32") {
    return absl::OkStatus();
  }
  if (!ServesOnGpu(config)) {
    return ConfigError(absl::StrCat("--precision=", config.precision,
                                    " needs --backend=engine: torch computes "
                                    "in fp32 on the CPU"));
  }
  if (config.precision != "bf16" && config.precision != "fp16") {
    return ConfigError(absl::StrCat(
        "--precision=", config.precision,
        " needs --backend=engine: a GPU computes in fp32, bf16 or fp16"));
  }
  return absl::OkStatus();
}

absl::Status ValidatePrecisions(const Config& config) {
  ASSIGN_OR_RETURN(const ModelPrecisions own,
                   ParseModelPrecisions(config.model_precisions));
  if (!own.empty() && config.backend != "engine") {
    return ConfigError(
        "--model-precision needs --backend=engine: torch computes in fp32");
  }
  if (config.precision == "int8" && IsReplica(config) &&
      config.calibration_pictures.empty()) {
    return ConfigError(
        "--precision=int8 needs --calibration-pictures FOLDER with "
        "--roles=serve, which has no datasets: without pictures nobody knows "
        "how large the activations are");
  }
  return absl::OkStatus();
}

absl::Status ValidateTogether(const Config& config) {
  RETURN_IF_ERROR(BatchSizesOf(config).status());
  RETURN_IF_ERROR(ValidateRoles(config));
  RETURN_IF_ERROR(ParseEndpoint("--listen", config.listen).status());
  RETURN_IF_ERROR(ParseEndpoint("--http-listen", config.http_listen).status());
  RETURN_IF_ERROR(ValidateAccess(config));
  RETURN_IF_ERROR(ValidateDevices(config));
  RETURN_IF_ERROR(ValidatePrecisions(config));
  if (config.default_deadline_ms > config.max_deadline_ms) {
    return ConfigError(absl::StrCat(
        "--default-deadline-ms is ", config.default_deadline_ms,
        ", over --max-deadline-ms, which is ", config.max_deadline_ms));
  }
  return ValidateWeights(config);
}

// Lets CLI11 read `arguments`. Help or version when they were asked for, else
// nothing: the settings are read.
absl::StatusOr<std::optional<ParsedCommandLine>> Read(
    CLI::App& app, std::vector<std::string> arguments,
    const std::vector<std::string>& names) {
  // What CLI11 takes is a stack: the first argument last.
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return ParsedCommandLine{
        .command = Command::kExit, .config = {}, .output = app.help()};
  } catch (const CLI::CallForVersion& version) {
    return ParsedCommandLine{.command = Command::kExit,
                             .config = {},
                             .output = absl::StrCat(version.what(), "\n")};
  } catch (const CLI::ConfigError& error) {
    return UnknownKey(error.what(), names);
  } catch (const CLI::ParseError& error) {
    return ConfigError(absl::StrCat(error.what(), "; see resnetd --help"));
  }
  if (const std::vector<std::string> unknown = app.remaining();
      !unknown.empty()) {
    return UnknownFlag(unknown.front(), names);
  }
  return std::nullopt;
}

}  // namespace

bool IsReplica(const Config& config) { return config.roles == "serve"; }

absl::StatusOr<std::vector<std::size_t>> BatchSizesOf(const Config& config) {
  std::vector<std::size_t> sizes;
  for (const std::string& word : config.allowed_batch_sizes) {
    std::size_t size = 0;
    if (!absl::SimpleAtoi(word, &size) || size < 1) {
      return ConfigError(absl::StrCat("--allowed-batch-sizes has ",
                                      Quoted(word),
                                      ", which is no number of images"));
    }
    if (!sizes.empty() && size <= sizes.back()) {
      return ConfigError(absl::StrCat("--allowed-batch-sizes has ", size,
                                      " behind ", sizes.back(),
                                      ": write them from small to large"));
    }
    sizes.push_back(size);
  }
  const auto largest = static_cast<std::size_t>(MaxBatch(config));
  if (sizes.empty() && ServesOnGpu(config)) {
    return GraphBatchSizes(largest);
  }
  if (!sizes.empty() && sizes.back() != largest) {
    return ConfigError(absl::StrCat(
        "--allowed-batch-sizes ends with ", sizes.back(), ", --max-batch is ",
        largest, ": both name the largest batch, so make them equal"));
  }
  return sizes;
}

bool Classifies(const Config& config) {
  return config.roles != "control,train";
}

bool ServesOnGpu(const Config& config) { return config.device != "cpu"; }

std::vector<std::string> DevicesOf(const Config& config) {
  return ParseDeviceNames(config.device).value();
}

int MaxBatch(const Config& config) {
  if (config.max_batch > 0) {
    return config.max_batch;
  }
  return ServesOnGpu(config) ? kGpuBatch : kCpuBatch;
}

std::string TrainDevice(const Config& config) {
  if (!config.train_device.empty()) {
    return config.train_device;
  }
  const std::string first = DevicesOf(config).front();
  const absl::StatusOr<DeviceName> device = ParseDeviceName(first);
  return device.ok() && device->kind == DeviceName::Kind::kCuda ? first : "cpu";
}

absl::StatusOr<ParsedCommandLine> ParseCommandLine(int argc,
                                                   const char* const* argv) {
  ParsedCommandLine parsed;
  CLI::App app("Serves ResNet models over gRPC.", "resnetd");
  app.set_version_flag("--version", std::string("resnetd ") + kVersion);
  app.set_config("--config", "", "TOML file with settings, keys as the flags")
      ->envname("RESNETD_CONFIG");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.allow_extras();
  app.footer(kFooter);
  bool print_config = false;
  app.add_flag("--print-config", print_config,
               "Print the settings in force as TOML and exit")
      ->configurable(false);
  bool verify_store = false;
  app.add_flag("--verify-store", verify_store,
               "Read everything in --data-dir, print what is wrong, exit with "
               "0 when it is sound, else 1")
      ->configurable(false);

  app.add_option("--backup-store", parsed.backup,
                 "Copy the store of --data-dir into a new folder of this name, "
                 "also while a server runs on it, and exit")
      ->configurable(false);

  const std::vector<std::string> names = AddSettings(app, parsed.config);
  const absl::Span<const char* const> given(argv,
                                            static_cast<std::size_t>(argc));
  std::vector<std::string> arguments(given.begin() + 1, given.end());
  for (std::string& setting : EnvironmentArguments(names, given)) {
    arguments.push_back(std::move(setting));
  }
  ASSIGN_OR_RETURN(std::optional<ParsedCommandLine> said,
                   Read(app, std::move(arguments), names));
  if (said) {
    return *std::move(said);
  }
  // What an unset list reads back as, from --print-config's output.
  std::erase(parsed.config.models, "");
  std::erase(parsed.config.model_precisions, "");
  std::erase(parsed.config.allowed_batch_sizes, "");
  RETURN_IF_ERROR(ValidateTogether(parsed.config));
  if (print_config) {
    parsed.command = Command::kPrintConfig;
    parsed.output = app.config_to_str(/*default_also=*/true, false);
  } else if (verify_store) {
    if (parsed.config.data_dir.empty()) {
      return ConfigError("--verify-store needs --data-dir, which it verifies");
    }
    parsed.command = Command::kVerifyStore;
  } else if (!parsed.backup.empty()) {
    if (parsed.config.data_dir.empty()) {
      return ConfigError("--backup-store needs --data-dir, which it copies");
    }
    parsed.command = Command::kBackUpStore;
  }
  return parsed;
}

std::vector<std::pair<std::string, std::int64_t>> LimitsOf(
    const Config& config) {
  std::vector<std::pair<std::string, std::int64_t>> limits = {
      {"max-message-bytes", config.max_message_bytes},
      {"max-images-per-request", config.max_images_per_request},
      {"max-image-bytes", config.max_image_bytes},
      {"max-image-pixels", config.max_image_pixels},
      {"max-image-side", config.max_image_side},
      {"max-progressive-scans", config.max_progressive_scans},
      {"max-decode-bytes", config.max_decode_bytes},
      {"max-batch", MaxBatch(config)},
      {"max-queue-images", config.max_queue_images},
      {"max-queue-bytes", config.max_queue_bytes},
      {"max-queue-wait-ms", config.max_queue_wait_ms},
      {"default-deadline-ms", config.default_deadline_ms},
      {"max-deadline-ms", config.max_deadline_ms},
      {"max-calls", config.max_calls},
      {"max-calls-per-connection", config.max_calls_per_connection},
      {"max-calls-per-stream", config.max_calls_per_stream},
      {"max-calls-per-client", config.max_calls_per_client},
      {"max-bytes-held", config.max_bytes_held},
      {"max-bytes-held-per-client", config.max_bytes_held_per_client},
      {"max-metadata-bytes", config.max_metadata_bytes},
      {"max-connection-age-ms", config.max_connection_age_ms},
      {"max-connection-age-grace-ms", config.max_connection_age_grace_ms},
      {"max-connection-idle-ms", config.max_connection_idle_ms},
      {"keepalive-ms", config.keepalive_ms},
      {"keepalive-timeout-ms", config.keepalive_timeout_ms},
      {"min-ping-interval-ms", config.min_ping_interval_ms},
      {"max-streams-per-connection", config.max_streams_per_connection},
      {"max-import-bytes", config.max_import_bytes},
      {"max-dataset-examples", config.max_dataset_examples},
      {"max-dataset-bytes", config.max_dataset_bytes},
      {"max-dataset-labels", config.max_dataset_labels},
      {"max-upload-examples", config.max_upload_examples},
      {"max-jobs", config.max_jobs},
      {"max-jobs-per-client", config.max_jobs_per_client}};
  // 0 means that there is none.
  if (config.max_images_per_second_per_client > 0) {
    limits.emplace_back("max-images-per-second-per-client",
                        config.max_images_per_second_per_client);
  }
  if (config.max_model_bytes > 0) {
    limits.emplace_back("max-model-bytes", config.max_model_bytes);
  }
  if (config.store_quota_bytes > 0) {
    limits.emplace_back("store-quota-bytes", config.store_quota_bytes);
  }
  return limits;
}

LogOptions LogOptionsOf(const Config& config) {
  static const std::map<std::string, LogLevel> levels = {
      {"debug", LogLevel::kDebug},
      {"info", LogLevel::kInfo},
      {"warning", LogLevel::kWarning},
      {"error", LogLevel::kError}};
  return {.level = levels.at(config.log_level),
          .format = config.log_format == "json" ? LogFormat::kJson
                                                : LogFormat::kText};
}

}  // namespace resnetd
