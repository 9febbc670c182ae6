#include "server/app/server.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/app/apply_declarations.h"
#include "server/app/backends.h"
#include "server/app/cpu.h"
#include "server/app/credential_files.h"
#include "server/app/declarations.h"
#include "server/app/declared_files.h"
#include "server/app/default_model.h"
#include "server/app/endpoint.h"
#include "server/app/follower.h"
#include "server/app/kept_choices_task.h"
#include "server/app/model_event_metrics.h"
#include "server/app/model_precisions.h"
#include "server/app/periodic_task.h"
#include "server/app/picture_sources.h"
#include "server/app/readiness.h"
#include "server/app/server_options.h"
#include "server/app/thread_plan.h"
#include "server/app/trainers.h"
#include "server/base/call_once.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/priority_gate.h"
#include "server/base/status_macros.h"
#include "server/base/version.h"
#include "server/engine/cpu_features.h"
#include "server/finetune/dataset_manager.h"
#include "server/finetune/evaluator.h"
#include "server/finetune/job_manager.h"
#include "server/finetune/version_pictures.h"
#include "server/finetune/version_prober.h"
#include "server/models/fallbacks.h"
#include "server/models/model_manager.h"
#include "server/models/model_registry.h"
#include "server/models/replica.h"
#include "server/models/version_tallies.h"
#include "server/rpc/grpc_server.h"
#include "server/rpc/registry_client.h"
#include "server/serving/classifier.h"
#include "server/store/store.h"
#include "server/telemetry/http_server.h"
#include "server/telemetry/nvml.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {
namespace {

// How often the store looks for what nothing names any more.
constexpr Duration kCollectInterval = std::chrono::hours(1);

// How often the files of certificates and tokens are looked at.
constexpr Duration kCredentialInterval = std::chrono::seconds(1);

std::chrono::milliseconds Milliseconds(std::int64_t value) {
  return std::chrono::milliseconds(value);
}

// The models of the store, each with the time of its oldest version.
absl::StatusOr<std::vector<StoredModel>> ListStored(Store& store) {
  ASSIGN_OR_RETURN(const std::vector<ModelName> names, store.ListModels());
  std::vector<StoredModel> models;
  for (const ModelName& name : names) {
    ASSIGN_OR_RETURN(const std::vector<VersionRow> versions,
                     store.ListVersions(name));
    if (!versions.empty()) {
      models.push_back({.name = name, .since = versions.back().created});
    }
  }
  return models;
}

void Collect(Store& store) {
  const absl::StatusOr<Collected> collected = store.Collect();
  if (!collected.ok()) {
    Log(LogLevel::kWarning, "the store could not be collected",
        {{"error", std::string(collected.status().message())}});
  } else if (collected->blobs > 0) {
    Log(LogLevel::kInfo, "the store was collected",
        {{"blobs", absl::StrCat(collected->blobs)},
         {"bytes", absl::StrCat(collected->bytes)}});
  }
}

class ServerParts final : public Server {
 public:
  explicit ServerParts(const Config& config) : config_(config) {}
  ~ServerParts() override = default;

  absl::Status Build(const KernelSelftest& kernels,
                     const std::function<void()>& loaded);

  int grpc_port() const override { return grpc_->port(); }
  int http_port() const override { return http_->port(); }
  bool is_ready() const override { return readiness_.is_ready(); }
  bool is_broken() const override { return readiness_.is_broken(); }
  void Drain() override;

 private:
  absl::Status Listen(const KernelSelftest& kernels);
  absl::Status BringModels();
  absl::Status BuildEngine();
  absl::Status BuildTraining();
  absl::Status FollowRegistry();
  HttpServer::Routes Routes();
  std::string Metrics(ExpositionFormat format);
  // What Readiness is to tell, but for the drain.
  void Publish(bool ready);
  void BecomeReady();
  // By a thread of the backend, or one that trains.
  void TakeBrokenDevice();
  void EndRevokedCalls();
  // What goes on by itself, when new calls are refused.
  void StopWork();

  const Config config_;
  const ThreadPlan plan_ = PlanThreads(config_);
  const Clock& clock_ = RealClock();
  Readiness readiness_;
  // Serving and training may both find that a device is broken.
  const std::function<void()> on_broken_ =
      CallOnce([this] { TakeBrokenDevice(); });
  // In the order of construction; destroyed the other way round.
  std::unique_ptr<Telemetry> telemetry_ = Telemetry::Create(OpenNvml());
  ModelEventMetrics events_{*telemetry_};
  PriorityGate gate_;
  VersionTallies tallies_;
  std::unique_ptr<CredentialFiles> credentials_;
  std::vector<DeclaredModel> declared_;
  std::unique_ptr<Store> store_;
  // What the engine asks for pictures as long as it has a version.
  std::unique_ptr<DatasetManager> datasets_;
  std::optional<VersionPictures> pictures_;
  std::unique_ptr<ModelLoader> loader_;
  ModelRegistry registry_;
  std::unique_ptr<ModelManager> manager_;
  std::unique_ptr<Classifier> classifier_;
  std::unique_ptr<FeatureExtractorLoader> features_;
  std::unique_ptr<Evaluator> evaluator_;
  std::unique_ptr<VersionProber> lab_;
  std::unique_ptr<JobManager> jobs_;
  std::unique_ptr<PeriodicTask> collector_;
  std::unique_ptr<KeptChoicesTask> choices_;
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<PeriodicTask> reloader_;
  std::unique_ptr<PeriodicTask> flood_watch_;
  // Of a server that follows a registry.
  std::unique_ptr<Registry> source_;
  std::optional<Replica> replica_;
  std::unique_ptr<Follower> follower_;
};

absl::Status ServerParts::Build(const KernelSelftest& kernels,
                                const std::function<void()>& loaded) {
  ASSIGN_OR_RETURN(
      credentials_,
      CredentialFiles::Load(config_, clock_, telemetry_->credentials()));
  if (!IsReplica(config_)) {
    ASSIGN_OR_RETURN(declared_, DeclarationsOf(config_));
  }
  ASSIGN_OR_RETURN(store_, Store::Open(StoreOptionsOf(config_), clock_));
  RETURN_IF_ERROR(BuildEngine());
  Log(LogLevel::kInfo, "serving is planned", {{"plan", Describe(plan_)}});
  manager_ = ModelManager::Create(ManagerOptionsOf(config_), *store_, *loader_,
                                  registry_, clock_, &events_);
  classifier_ =
      Classifier::Create(ClassifierOptionsOf(config_, plan_), registry_,
                         *telemetry_, clock_, &gate_, &tallies_);
  if (!IsReplica(config_)) {
    RETURN_IF_ERROR(BuildTraining());
  }
  // The ports first: one that is taken is told at once, not after minutes of
  // loading. Calls are answered with UNAVAILABLE until the models are there.
  RETURN_IF_ERROR(Listen(kernels));
  collector_ = std::make_unique<PeriodicTask>("collect", kCollectInterval,
                                              [this] { Collect(*store_); });
  if (IsReplica(config_)) {
    loaded();
    return FollowRegistry();
  }
  RETURN_IF_ERROR(BringModels());
  choices_ = std::make_unique<KeptChoicesTask>(ChoicesFolderOf(config_),
                                               *store_, *manager_);
  loaded();
  RETURN_IF_ERROR(jobs_->Start());
  BecomeReady();
  return absl::OkStatus();
}

absl::Status ServerParts::BuildEngine() {
  CalibrationPictures stored;
  if (!IsReplica(config_)) {
    DatasetOptions options = DatasetOptionsOf(config_, plan_);
    options.metrics = &telemetry_->training();
    datasets_ = DatasetManager::Create(options, *store_);
    pictures_.emplace(*store_, *datasets_);
    stored = OfStore(*pictures_);
  }
  ASSIGN_OR_RETURN(ModelPrecisions precisions,
                   ParseModelPrecisions(config_.model_precisions));
  ASSIGN_OR_RETURN(precisions, WithDeclared(std::move(precisions), declared_));
  ASSIGN_OR_RETURN(
      loader_, CreateBackend(config_, plan_, on_broken_, stored, precisions));
  return absl::OkStatus();
}

absl::Status ServerParts::BuildTraining() {
  evaluator_ = Evaluator::Create(
      {.batch = static_cast<std::size_t>(std::min(4, MaxBatch(config_)))},
      *store_, *datasets_, *manager_, clock_);
  const JobManagerOptions job_options = JobOptionsOf(config_, plan_);
  lab_ =
      VersionProber::Create({.decode = DatasetOptionsOf(config_, plan_).decode,
                             .threads = job_options.threads,
                             .gives_way = job_options.gives_way},
                            *store_, *manager_, ProbersOfPlugin(), clock_);
  ASSIGN_OR_RETURN(features_,
                   CreateCpuFeatureLoader({.threads = job_options.threads}));
  jobs_ = JobManager::Create(job_options, *store_, *datasets_, *manager_,
                             registry_, TrainersOfPlugin(on_broken_), clock_,
                             {.gate = &gate_,
                              .metrics = &telemetry_->training(),
                              .features = features_.get(),
                              .tallies = &tallies_});
  return absl::OkStatus();
}

absl::Status ServerParts::FollowRegistry() {
  RETURN_IF_ERROR(manager_->Start());
  ASSIGN_OR_RETURN(
      source_, ConnectRegistry(config_.registry, RegistryOptionsOf(config_)));
  replica_.emplace(*source_, *store_, *manager_);
  follower_ = std::make_unique<Follower>(*source_, *replica_, registry_,
                                         [this] { BecomeReady(); });
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
  GrpcServerOptions options = GrpcOptionsOf(config_, grpc);
  options.tls = credentials_->tls();
  options.access = credentials_->access();
  ASSIGN_OR_RETURN(
      grpc_, GrpcServer::Start(options, *classifier_, registry_, *manager_,
                               *telemetry_, facts, clock_,
                               {.jobs = jobs_.get(),
                                .datasets = datasets_.get(),
                                .evaluator = evaluator_.get(),
                                .lab = lab_.get()}));
  ASSIGN_OR_RETURN(
      http_,
      HttpServer::Start({.host = http.host, .port = http.port}, Routes()));
  flood_watch_ = std::make_unique<PeriodicTask>(
      "streams", kFloodTick, [this] { grpc_->WatchForFloods(); });
  if (options.tls != nullptr || options.access != nullptr) {
    reloader_ = std::make_unique<PeriodicTask>("credentials",
                                               kCredentialInterval, [this] {
                                                 if (credentials_->Refresh()) {
                                                   EndRevokedCalls();
                                                 }
                                               });
  }
  return absl::OkStatus();
}

HttpServer::Routes ServerParts::Routes() {
  return {
      {"/metrics",
       [this](const RequestHeaders& headers) {
         const ExpositionFormat format = ChooseFormat(headers.accept);
         return HttpReply{.content_type = std::string(ContentTypeOf(format)),
                          .body = Metrics(format)};
       }},
      // Alive as long as this listener answers: nothing that waits for the
      // network or the queue may end the process.
      {"/livez",
       [](const RequestHeaders&) { return HttpReply{.body = "ok\n"}; }},
      {"/readyz",
       [this](const RequestHeaders&) {
         return is_ready()
                    ? HttpReply{.body = "ok\n"}
                    : HttpReply{.status = 503,
                                .body = "not ready: starting or draining\n"};
       }},
      {"/version",
       [](const RequestHeaders&) {
         return HttpReply{.body = absl::StrCat(kVersion, "\n")};
       }},
  };
}

std::string ServerParts::Metrics(ExpositionFormat format) {
  // Quick: the store keeps most of it in memory.
  if (const absl::StatusOr<StoreStats> stats = store_->Stats(); stats.ok()) {
    telemetry_->versions().SetStore(
        {.blobs = stats->blobs,
         .blob_bytes = stats->blob_bytes,
         .database_bytes = stats->database_bytes,
         .free_bytes = stats->free_bytes,
         .quota_bytes = config_.store_quota_bytes,
         .versions = stats->versions,
         .integrity_failures = stats->integrity_failures});
  }
  telemetry_->versions().SetFallbacks(CountedFallbacks());
  return telemetry_->Expose(format);
}

absl::Status ServerParts::BringModels() {
  DeclaredFiles files(declared_);
  RETURN_IF_ERROR(manager_->Start());
  RETURN_IF_ERROR(ApplyDeclarations(declared_, files, *store_, *manager_));
  ASSIGN_OR_RETURN(const std::vector<StoredModel> stored, ListStored(*store_));
  ASSIGN_OR_RETURN(
      const std::optional<ModelName> chosen,
      ChooseDefaultModel(config_.default_model, declared_, stored));
  if (chosen) {
    registry_.SetDefault(*chosen);
  } else {
    Log(LogLevel::kInfo,
        "no model yet: import one with resnetctl models import FILE");
  }
  return absl::OkStatus();
}

void ServerParts::Publish(bool ready) {
  telemetry_->SetReady(ready);
  grpc_->SetReady(ready);
}

void ServerParts::BecomeReady() {
  readiness_.Set(true, [this](bool ready) { Publish(ready); });
}

void ServerParts::TakeBrokenDevice() {
  // Who asks for readiness is told now; the rest of the end is for the thread
  // that waits for signals.
  readiness_.Break([this](bool ready) { Publish(ready); });
  kill(getpid(), SIGTERM);
}

void ServerParts::EndRevokedCalls() {
  if (const std::size_t ended = grpc_->EndRevokedCalls(); ended > 0) {
    Log(LogLevel::kInfo,
        "calls were ended: what they were let in with was taken back",
        {{"calls", absl::StrCat(ended)}});
  }
}

void ServerParts::Drain() {
  Log(LogLevel::kInfo, "draining",
      {{"in_flight", absl::StrCat(classifier_->in_flight())}});
  readiness_.Drain([this](bool ready) { telemetry_->SetReady(ready); });
  // Nobody is served by waiting with a broken device.
  const std::size_t cut_off = grpc_->Drain(
      Milliseconds(is_broken() ? 0 : config_.drain_delay_ms),
      Milliseconds(config_.drain_grace_ms), [this] { StopWork(); });
  classifier_->Close();
  Log(cut_off == 0 ? LogLevel::kInfo : LogLevel::kWarning, "drained",
      {{"calls_cut_off", absl::StrCat(cut_off)}});
}

void ServerParts::StopWork() {
  follower_.reset();
  // No step more beside the calls that are still answered. The job saves where
  // it is; the next start goes on from there.
  if (jobs_ != nullptr) {
    jobs_->Stop();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const Config& config, const KernelSelftest& kernels,
    const std::function<void()>& loaded) {
  auto server = std::make_unique<ServerParts>(config);
  if (absl::Status built = server->Build(kernels, loaded); !built.ok()) {
    if (!server->is_broken()) {
      return built;
    }
    return Error(absl::StatusCode::kUnavailable, Reason::kBackendUnavailable,
                 "the device broke while models were loaded: start the server "
                 "again")
        .Metadata("device", config.device);
  }
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace resnetd
