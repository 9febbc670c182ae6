#include "server/rpc/registry_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "resnetd/v1/model_service.grpc.pb.h"
#include "server/base/bytes.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/models/model_registry.h"
#include "server/rpc/library_logs.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

constexpr int kPageSize = 1000;
// A registry that is gone without a word is noticed after both together.
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// Between tries to connect, at most: a registry that is back is followed soon.
constexpr int kMaxReconnectMs = 2'000;

std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                       const RegistryClientOptions& options) {
  RouteLibraryLogs();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(
      static_cast<int>(options.max_message_bytes));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

absl::Status FromGrpc(const grpc::Status& status) {
  // For the operator's log: it may say what gRPC said.
  return status.ok()
             ? absl::OkStatus()
             : absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                            status.error_message());
}

absl::Status Malformed(absl::string_view what) {
  return absl::InternalError(
      absl::StrCat("the registry's answer has no valid ", what));
}

absl::StatusOr<RegistryModel> ToModel(const v1::Model& message) {
  RegistryModel model{.name = ModelName::Parse("x").value(),
                      .is_default = message.is_default()};
  ASSIGN_OR_RETURN(model.name, ParseModelName("name", message.name()));
  for (const v1::Alias& alias : message.aliases()) {
    ASSIGN_OR_RETURN(const AliasName name,
                     ParseAliasName("aliases", alias.name()));
    if (!(name.model == model.name) || alias.version() < 1) {
      return Malformed("alias");
    }
    model.aliases.emplace(name.alias, VersionNumber{alias.version()});
  }
  return model;
}

class Client final : public Registry {
 public:
  Client(const std::string& address, const RegistryClientOptions& options)
      : options_(options),
        stub_(v1::ModelService::NewStub(Connect(address, options))) {}

  absl::StatusOr<RegistryState> List() override;
  absl::StatusOr<RegistryVersion> Describe(const ModelName& model,
                                           VersionNumber version) override;
  absl::Status Fetch(const Digest& digest, BlobSink& sink) override;
  absl::Status AwaitChange(std::int64_t sequence) override;
  void Stop() override ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    is_stopped_ = true;
    if (running_ != nullptr) {
      running_->TryCancel();
    }
  }

 private:
  // A call that Stop() ends. Lives on the stack, one at a time.
  class Running {
   public:
    Running(Client& client, Duration timeout) : client_(client) {
      if (timeout > Duration::zero()) {
        context_.set_deadline(
            std::chrono::system_clock::now() +
            std::chrono::duration_cast<std::chrono::system_clock::duration>(
                timeout));
      }
      MutexLock lock(client_.mutex_);
      client_.running_ = &context_;
      if (client_.is_stopped_) {
        context_.TryCancel();
      }
    }
    ~Running() {
      MutexLock lock(client_.mutex_);
      client_.running_ = nullptr;
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    grpc::ClientContext& context() { return context_; }

   private:
    Client& client_;
    grpc::ClientContext context_;
  };

  const RegistryClientOptions options_;
  const std::unique_ptr<v1::ModelService::Stub> stub_;
  Mutex mutex_;
  grpc::ClientContext* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::StatusOr<RegistryState> Client::List() {
  RegistryState state;
  v1::ListModelsRequest request;
  request.set_page_size(kPageSize);
  for (bool first = true; first || !request.page_token().empty();
       first = false) {
    Running running(*this, options_.short_timeout);
    v1::ListModelsResponse response;
    RETURN_IF_ERROR(
        FromGrpc(stub_->ListModels(&running.context(), request, &response)));
    if (first) {
      // What changes while the pages come is seen by the next AwaitChange().
      state.sequence = response.event_sequence();
    }
    for (const v1::Model& message : response.models()) {
      ASSIGN_OR_RETURN(RegistryModel model, ToModel(message));
      state.models.push_back(std::move(model));
    }
    request.set_page_token(response.next_page_token());
  }
  return state;
}

absl::StatusOr<RegistryVersion> Client::Describe(const ModelName& model,
                                                 VersionNumber version) {
  Running running(*this, options_.short_timeout);
  v1::GetVersionRequest request;
  request.set_name(ResourceName(model, version));
  v1::GetVersionResponse response;
  RETURN_IF_ERROR(
      FromGrpc(stub_->GetVersion(&running.context(), request, &response)));
  return RegistryVersion{.weights = response.version().weights_sha256(),
                         .manifest = response.version().manifest_sha256()};
}

absl::Status Client::Fetch(const Digest& digest, BlobSink& sink) {
  Running running(*this, options_.long_timeout);
  v1::GetBlobRequest request;
  request.set_digest(digest);
  const auto reader = stub_->GetBlob(&running.context(), request);
  absl::Status taken;
  bool has_size = false;
  v1::GetBlobResponse message;
  while (taken.ok() && reader->Read(&message)) {
    if (message.part_case() == v1::GetBlobResponse::kSizeBytes && !has_size &&
        message.size_bytes() >= 0) {
      has_size = true;
      taken = sink.Begin(message.size_bytes());
    } else if (message.part_case() == v1::GetBlobResponse::kChunk && has_size) {
      taken = sink.Write(AsBytes(message.chunk()));
    } else {
      taken = Malformed("part of a blob");
    }
  }
  if (!taken.ok()) {
    running.context().TryCancel();
  }
  const grpc::Status ended = reader->Finish();
  return taken.ok() ? FromGrpc(ended) : taken;
}

absl::Status Client::AwaitChange(std::int64_t sequence) {
  // No deadline: keepalive finds a registry that is gone.
  Running running(*this, Duration::zero());
  v1::WatchModelsRequest request;
  request.set_after_sequence(sequence);
  const auto reader = stub_->WatchModels(&running.context(), request);
  v1::WatchModelsResponse message;
  const bool changed = reader->Read(&message);
  if (changed) {
    running.context().TryCancel();
  }
  const grpc::Status ended = reader->Finish();
  if (changed || ended.error_code() == grpc::StatusCode::OUT_OF_RANGE) {
    return absl::OkStatus();
  }
  return ended.ok() ? absl::UnavailableError("the registry ended the watch")
                    : FromGrpc(ended);
}

}  // namespace

std::unique_ptr<Registry> ConnectRegistry(
    const std::string& address, const RegistryClientOptions& options) {
  return std::make_unique<Client>(address, options);
}

}  // namespace resnetd
