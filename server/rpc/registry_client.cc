#include "server/rpc/registry_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "resnetd/v1/model_service.grpc.pb.h"
#include "server/base/bytes.h"
#include "server/base/certificate.h"
#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/base/quote.h"
#include "server/base/secret_file.h"
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

constexpr std::size_t kMaxTokenBytes = 4096;

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ReadCredentials(
    const RegistryClientOptions& options) {
  if (options.ca_file.empty()) {
    return grpc::InsecureChannelCredentials();
  }
  const auto now = std::chrono::system_clock::now();
  ASSIGN_OR_RETURN(PemText authorities,
                   ReadPem("--registry-ca", options.ca_file, Secrecy::kPublic));
  RETURN_IF_ERROR(CheckAuthorities(authorities, now));
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = std::move(authorities.text);
  if (!options.certificate_file.empty()) {
    ASSIGN_OR_RETURN(
        PemText chain,
        ReadPem("--registry-cert", options.certificate_file, Secrecy::kPublic));
    ASSIGN_OR_RETURN(PemText key, ReadPem("--registry-key", options.key_file,
                                          Secrecy::kSecret));
    RETURN_IF_ERROR(CheckKeyPair(chain, key, now).status());
    tls.pem_cert_chain = std::move(chain.text);
    tls.pem_private_key = std::move(key.text);
  }
  return grpc::SslCredentials(tls);
}

// The value of the metadata "authorization"; empty: there is no token.
absl::StatusOr<std::string> ReadAuthorization(const std::string& token_file) {
  if (token_file.empty()) {
    return std::string();
  }
  ASSIGN_OR_RETURN(const std::string text,
                   ReadNamedFile("--registry-token-file", token_file,
                                 kMaxTokenBytes, Secrecy::kSecret));
  const absl::string_view token = absl::StripAsciiWhitespace(text);
  if (token.empty() || !std::all_of(token.begin(), token.end(), [](char c) {
        return c > ' ' && c < '\x7f';
      })) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                 absl::StrCat("--registry-token-file ", Quoted(token_file, 256),
                              " holds no token: one line of visible ASCII"));
  }
  return absl::StrCat("Bearer ", token);
}

std::shared_ptr<grpc::Channel> Connect(
    const std::string& address, const RegistryClientOptions& options,
    const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  RouteLibraryLogs();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(
      static_cast<int>(options.max_message_bytes));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  if (!options.server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.server_name);
  }
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

// For the operator's log: it may say what gRPC said.
absl::Status FromGrpc(const grpc::Status& status, const std::string& address) {
  if (status.ok()) {
    return absl::OkStatus();
  }
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  // Made by gRPC itself: ours have details.
  const bool is_away = status.error_details().empty() &&
                       (code == absl::StatusCode::kUnavailable ||
                        code == absl::StatusCode::kDeadlineExceeded);
  return {code, is_away ? absl::StrCat(
                              "--registry ", address, " does not answer (",
                              status.error_message(),
                              "): is the owner of the models there, with this "
                              "port for gRPC, and TLS on both sides or none?")
                        : status.error_message()};
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
  Client(std::string address, RegistryClientOptions options)
      : address_(std::move(address)), options_(std::move(options)) {}

  // Reads the files that have changed; the first time all.
  absl::Status ReadFiles();

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
      if (!client_.authorization_.empty()) {
        context_.AddMetadata("authorization", client_.authorization_);
      }
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

  absl::Status Told(const grpc::Status& status) const {
    return FromGrpc(status, address_);
  }

  const std::string address_;
  const RegistryClientOptions options_;
  // Of the thread that follows: how the files looked that these were made of.
  std::vector<FileStamp> stamps_;
  std::unique_ptr<v1::ModelService::Stub> stub_;
  std::string authorization_;
  Mutex mutex_;
  grpc::ClientContext* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::Status Client::ReadFiles() {
  std::vector<FileStamp> stamps;
  for (const std::string* file : {&options_.ca_file, &options_.certificate_file,
                                  &options_.key_file, &options_.token_file}) {
    stamps.push_back(StampOf(*file));
  }
  if (stub_ != nullptr && stamps == stamps_) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto credentials, ReadCredentials(options_));
  ASSIGN_OR_RETURN(authorization_, ReadAuthorization(options_.token_file));
  stub_ = v1::ModelService::NewStub(Connect(address_, options_, credentials));
  stamps_ = std::move(stamps);
  return absl::OkStatus();
}

absl::StatusOr<RegistryState> Client::List() {
  RETURN_IF_ERROR(ReadFiles());
  RegistryState state;
  v1::ListModelsRequest request;
  request.set_page_size(kPageSize);
  for (bool first = true; first || !request.page_token().empty();
       first = false) {
    Running running(*this, options_.short_timeout);
    v1::ListModelsResponse response;
    RETURN_IF_ERROR(
        Told(stub_->ListModels(&running.context(), request, &response)));
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
      Told(stub_->GetVersion(&running.context(), request, &response)));
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
  return taken.ok() ? Told(ended) : taken;
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
                    : Told(ended);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Registry>> ConnectRegistry(
    const std::string& address, const RegistryClientOptions& options) {
  auto client = std::make_unique<Client>(address, options);
  RETURN_IF_ERROR(client->ReadFiles());
  return std::unique_ptr<Registry>(std::move(client));
}

}  // namespace resnetd
