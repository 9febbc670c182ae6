#include "server/app/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <map>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/suggest.h"
#include "server/base/version.h"

namespace resnetd {
namespace {

constexpr std::int64_t kOneGiB = 1LL << 30;
constexpr int kMaxPort = 65'535;
// gRPC's own limit of a message: its length is a signed 32-bit number.
constexpr std::int64_t kMaxMessageBytes = 0x7fffffff;

absl::Status ConfigError(const std::string& text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               text);
}

// "max-batch" -> "RESNETD_MAX_BATCH".
std::string VariableOf(const std::string& name) {
  return "RESNETD_" +
         absl::StrReplaceAll(absl::AsciiStrToUpper(name), {{"-", "_"}});
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

void AddModelOptions(Options& options, Config& config) {
  options.Add(
      "model", config.models,
      "Folder of a model to serve: model.safetensors, manifest.json, "
      "labels.txt. Repeat, or separate by commas, for more. Default: the "
      "demo model");
  options.Add("default-model", config.default_model,
              "Model that answers calls naming none. Default: the first");
  options.Add("backend", config.backend, "Who computes: engine (CPU) or torch")
      ->check(CLI::IsMember({"engine", "torch"}));
  options.Add("device", config.device, "Device of the torch backend")
      ->check(CLI::IsMember({"cpu", "cuda"}));
}

void AddListenerOptions(Options& options, Config& config) {
  options.Add("listen", config.listen, "HOST:PORT of gRPC; port 0: any free");
  options.Add("http-listen", config.http_listen,
              "HOST:PORT of /metrics /livez /readyz /version");
  options.Add("port-file", config.port_file,
              "Write the ports as JSON to this file once ready");
}

void AddComputeOptions(Options& options, Config& config) {
  options.AddInRange("threads", config.threads, 0, 1024,
                     "Threads of one batch; 0: all cores");
  options.AddInRange("workers", config.workers, 1, 256,
                     "Batches that run at once");
  options.AddInRange("decode-threads", config.decode_threads, 0, 1024,
                     "Threads that decode; 0: cores - 1");
  options.AddInRange("max-batch", config.max_batch, 1, 128,
                     "Images in one run of the network");
}

void AddLimitOptions(Options& options, Config& config) {
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
  options.AddInRange("max-calls", config.max_calls, 1, 1'000'000,
                     "Calls at once, over all connections");
  options.AddInRange("max-calls-per-connection",
                     config.max_calls_per_connection, 1, 1'000'000,
                     "Calls at once on one connection");
  options.AddInRange("max-bytes-held", config.max_bytes_held, 1, 64 * kOneGiB,
                     "Bytes of requests being answered");
  options.AddInRange("max-metadata-bytes", config.max_metadata_bytes, 1024,
                     1LL << 20, "Metadata of one call");
  options.AddInRange("max-connection-age-ms", config.max_connection_age_ms,
                     1'000, 86'400'000, "Age at which a connection is renewed");
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

absl::Status ValidateTogether(const Config& config) {
  RETURN_IF_ERROR(ParseEndpoint("--listen", config.listen).status());
  RETURN_IF_ERROR(ParseEndpoint("--http-listen", config.http_listen).status());
  if (config.device == "cuda" && config.backend != "torch") {
    return ConfigError(
        "--device=cuda needs --backend=torch: the engine computes on the CPU");
  }
  if (config.default_deadline_ms > config.max_deadline_ms) {
    return ConfigError(absl::StrCat(
        "--default-deadline-ms is ", config.default_deadline_ms,
        ", over --max-deadline-ms, which is ", config.max_deadline_ms));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Endpoint> ParseEndpoint(const std::string& flag,
                                       const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
  const std::string port_text =
      colon == std::string::npos ? text : text.substr(colon + 1);
  const bool bracketed =
      host.size() >= 2 && host.front() == '[' && host.back() == ']';
  int port = -1;
  if (!absl::SimpleAtoi(port_text, &port) || port < 0 || port > kMaxPort ||
      (!bracketed && host.find(':') != std::string::npos)) {
    return ConfigError(absl::StrCat(
        flag, " is ", Quoted(text), ": HOST:PORT, :PORT or [IPV6]:PORT with a ",
        "port from 0 to ", kMaxPort, " is accepted"));
  }
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  }
  return Endpoint{.host = std::move(host), .port = port};
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
  app.footer(
      "Every flag is also an environment variable (RESNETD_MAX_BATCH) and a "
      "key of the\nTOML file (max-batch = 4); flags win over the environment, "
      "it over the file.");
  bool print_config = false;
  app.add_flag("--print-config", print_config,
               "Print the settings in force as TOML and exit")
      ->configurable(false);

  Options options(app);
  AddModelOptions(options, parsed.config);
  AddListenerOptions(options, parsed.config);
  AddComputeOptions(options, parsed.config);
  AddLimitOptions(options, parsed.config);
  AddOperationOptions(options, parsed.config);
  const absl::Span<const char* const> given(argv,
                                            static_cast<std::size_t>(argc));
  std::vector<std::string> arguments(given.begin() + 1, given.end());
  for (std::string& setting : EnvironmentArguments(options.names(), given)) {
    arguments.push_back(std::move(setting));
  }
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
    return UnknownKey(error.what(), options.names());
  } catch (const CLI::ParseError& error) {
    return ConfigError(absl::StrCat(error.what(), "; see resnetd --help"));
  }
  if (const std::vector<std::string> unknown = app.remaining();
      !unknown.empty()) {
    return UnknownFlag(unknown.front(), options.names());
  }
  // What an unset list reads back as, from --print-config's output.
  std::erase(parsed.config.models, "");
  RETURN_IF_ERROR(ValidateTogether(parsed.config));
  if (print_config) {
    parsed.command = Command::kPrintConfig;
    parsed.output = app.config_to_str(/*default_also=*/true, false);
  }
  return parsed;
}

std::vector<std::pair<std::string, std::int64_t>> LimitsOf(
    const Config& config) {
  return {{"max-message-bytes", config.max_message_bytes},
          {"max-images-per-request", config.max_images_per_request},
          {"max-image-bytes", config.max_image_bytes},
          {"max-image-pixels", config.max_image_pixels},
          {"max-image-side", config.max_image_side},
          {"max-progressive-scans", config.max_progressive_scans},
          {"max-batch", config.max_batch},
          {"max-queue-images", config.max_queue_images},
          {"max-queue-bytes", config.max_queue_bytes},
          {"max-queue-wait-ms", config.max_queue_wait_ms},
          {"default-deadline-ms", config.default_deadline_ms},
          {"max-deadline-ms", config.max_deadline_ms},
          {"max-calls", config.max_calls},
          {"max-calls-per-connection", config.max_calls_per_connection},
          {"max-bytes-held", config.max_bytes_held},
          {"max-metadata-bytes", config.max_metadata_bytes},
          {"max-connection-age-ms", config.max_connection_age_ms}};
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
