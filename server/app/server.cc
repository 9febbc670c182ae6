#include "server/app/server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/app/backends.h"
#include "server/app/cpu.h"
#include "server/app/demo_model.h"
#include "server/app/endpoint.h"
#include "server/app/model_start.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/base/version.h"
#include "server/models/model_registry.h"
#include "server/rpc/grpc_server.h"
#include "server/serving/classifier.h"
#include "server/telemetry/http_server.h"
#include "server/telemetry/serving_metrics.h"

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

ClassifierOptions ClassifierOptionsOf(const Config& config) {
  const int decoders = config.decode_threads > 0
                           ? config.decode_threads
                           : std::max(1, UsableCores() - 1);
  return {
      .decode = DecodeLimitsOf(config),
      .max_images_per_request =
          static_cast<std::size_t>(config.max_images_per_request),
      .queue = {.max_images = static_cast<std::size_t>(config.max_queue_images),
                .max_bytes = static_cast<std::size_t>(config.max_queue_bytes),
                .max_wait = Milliseconds(config.max_queue_wait_ms)},
      .max_batch = static_cast<std::size_t>(config.max_batch),
      .decode_threads = static_cast<std::size_t>(decoders),
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
  options.requests = {
      .max_images_per_request = size(config.max_images_per_request),
      .max_encoded_image_bytes = size(config.max_image_bytes),
      .max_pixels = config.max_image_pixels,
      .max_side = config.max_image_side,
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

void LogLoaded(const ServedVersion& version) {
  const VersionFacts& facts = version.facts;
  Log(LogLevel::kInfo, "model loaded",
      {{"model", facts.name.text()},
       {"version", absl::StrCat(facts.version.value)},
       {"architecture", facts.architecture.name},
       {"classes", absl::StrCat(facts.labels.size())},
       {"backend", version.model->backend()},
       {"seconds", absl::StrCat(ToSeconds(version.load_time))}});
}

class ServerParts final : public Server {
 public:
  explicit ServerParts(const Config& config) : config_(config) {}
  ~ServerParts() override = default;

  absl::Status Build(const KernelSelftest& kernels);

  int grpc_port() const override { return grpc_->port(); }
  int http_port() const override { return http_->port(); }
  void Drain() override;

 private:
  absl::Status Listen(const KernelSelftest& kernels);
  absl::Status LoadModels();
  void Serve(ModelHandle version);
  HttpServer::Routes Routes();
  void SetReady(bool ready);

  const Config config_;
  const Clock& clock_ = RealClock();
  // Written when the server becomes ready and when it drains; read by probes.
  std::atomic<bool> ready_{false};
  // In the order of construction; destroyed the other way round.
  std::unique_ptr<Telemetry> telemetry_ = Telemetry::Create();
  ModelRegistry registry_;
  std::unique_ptr<ModelLoader> loader_;
  std::unique_ptr<Classifier> classifier_;
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<HttpServer> http_;
};

absl::Status ServerParts::Build(const KernelSelftest& kernels) {
  ASSIGN_OR_RETURN(loader_, CreateBackend(config_));
  classifier_ = Classifier::Create(ClassifierOptionsOf(config_), registry_,
                                   *telemetry_, clock_);
  // The ports first: one that is taken is told at once, not after minutes of
  // loading. Calls are answered with UNAVAILABLE until the models are there.
  RETURN_IF_ERROR(Listen(kernels));
  RETURN_IF_ERROR(LoadModels());
  SetReady(true);
  return absl::OkStatus();
}

absl::Status ServerParts::Listen(const KernelSelftest& kernels) {
  ASSIGN_OR_RETURN(const Endpoint grpc,
                   ParseEndpoint("--listen", config_.listen));
  ASSIGN_OR_RETURN(const Endpoint http,
                   ParseEndpoint("--http-listen", config_.http_listen));
  ServerFacts facts{.version = kVersion,
                    .start_time = std::chrono::system_clock::now(),
                    .backends = DescribeBackends(config_, *loader_, kernels),
                    .cpu_cores = UsableCores()};
  for (const auto& [name, value] : LimitsOf(config_)) {
    facts.limits.push_back({.name = name, .value = value});
  }
  ASSIGN_OR_RETURN(grpc_,
                   GrpcServer::Start(GrpcOptionsOf(config_, grpc), *classifier_,
                                     registry_, *telemetry_, facts, clock_));
  ASSIGN_OR_RETURN(
      http_,
      HttpServer::Start({.host = http.host, .port = http.port}, Routes()));
  return absl::OkStatus();
}

HttpServer::Routes ServerParts::Routes() {
  return {
      {"/metrics",
       [this] {
         return HttpReply{
             .content_type = "text/plain; version=0.0.4; charset=utf-8",
             .body = telemetry_->Expose()};
       }},
      // Alive as long as this listener answers: nothing that waits for the
      // network or the queue may end the process.
      {"/livez", [] { return HttpReply{.body = "ok\n"}; }},
      {"/readyz",
       [this] {
         return ready_.load()
                    ? HttpReply{.body = "ok\n"}
                    : HttpReply{.status = 503,
                                .body = "not ready: starting or draining\n"};
       }},
      {"/version",
       [] { return HttpReply{.body = absl::StrCat(kVersion, "\n")}; }},
  };
}

absl::Status ServerParts::LoadModels() {
  std::vector<std::string> folders = config_.models;
  if (folders.empty()) {
    ASSIGN_OR_RETURN(std::string demo, FindDemoModel());
    folders.push_back(std::move(demo));
  }
  std::vector<ModelHandle> versions;
  for (const std::string& folder : folders) {
    ASSIGN_OR_RETURN(
        ModelHandle version,
        LoadModelFolder(folder, *loader_,
                        static_cast<std::size_t>(config_.max_batch), clock_));
    LogLoaded(*version);
    versions.push_back(std::move(version));
  }
  RETURN_IF_ERROR(OrderForServing(config_.default_model, versions));
  for (ModelHandle& version : versions) {
    Serve(std::move(version));
  }
  return absl::OkStatus();
}

void ServerParts::Serve(ModelHandle version) {
  const VersionFacts& facts = version->facts;
  telemetry_->versions().VersionLoaded(
      {.model = facts.name.text(),
       .version = absl::StrCat(facts.version.value),
       .digest = facts.weights_sha256,
       .architecture = facts.architecture.name,
       .precision = version->model->precision(),
       .backend = version->model->backend()},
      version->load_time);
  // Makes the model's series visible before its first call.
  telemetry_->ForModel(facts.name.text());
  const ModelName name = facts.name;
  registry_.Serve(std::move(version));
  grpc_->SetModelServing(name, true);
}

void ServerParts::SetReady(bool ready) {
  ready_.store(ready);
  telemetry_->SetReady(ready);
  grpc_->SetReady(ready);
}

void ServerParts::Drain() {
  Log(LogLevel::kInfo, "draining",
      {{"in_flight", absl::StrCat(classifier_->in_flight())}});
  ready_.store(false);
  telemetry_->SetReady(false);
  grpc_->Drain(Milliseconds(config_.drain_delay_ms),
               Milliseconds(config_.drain_grace_ms));
  classifier_->Close();
  Log(LogLevel::kInfo, "drained");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const Config& config, const KernelSelftest& kernels) {
  auto server = std::make_unique<ServerParts>(config);
  RETURN_IF_ERROR(server->Build(kernels));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace resnetd
