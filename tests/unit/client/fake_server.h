#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "resnetd/v1/classification_service.grpc.pb.h"
#include "resnetd/v1/server_service.grpc.pb.h"
#include "server/base/mutex.h"
#include "tests/unit/client/fake_jobs.h"
#include "tests/unit/client/fake_labs.h"
#include "tests/unit/client/fake_models.h"

namespace resnetd::test {

// The answers of a server with the one model "models/digits" in version 3, to
// whom every picture is a tabby cat.
void FillAnswer(const v1::ClassifyRequest& request,
                v1::ClassifyResponse& response);
// Every picture is embedded as {number of its bytes, 0.5, -2}; one that holds
// "broken" is an error.
void FillAnswer(const v1::EmbedRequest& request, v1::EmbedResponse& response);
void FillInfo(v1::GetServerInfoResponse& info);

// What the fake answers; each is called once a try, from gRPC's threads.
struct FakeHooks {
  using Classify = std::function<grpc::Status(
      grpc::ServerContext&, const v1::ClassifyRequest&, v1::ClassifyResponse&)>;
  using Embed =
      std::function<grpc::Status(const v1::EmbedRequest&, v1::EmbedResponse&)>;
  using Stream = std::function<grpc::Status(
      grpc::ServerReaderWriter<v1::ClassifyStreamResponse,
                               v1::ClassifyStreamRequest>& stream)>;
  using GetServerInfo = std::function<grpc::Status(v1::GetServerInfoResponse&)>;

  // Of calls, and of each message of a stream.
  Classify classify;
  // Of a whole stream; empty: each of its messages is answered by `classify`.
  Stream classify_stream;
  Embed embed;
  GetServerInfo server_info;

  // Those of the server above.
  static FakeHooks Default();
};

// A gRPC server in this process, with gRPC's own health service.
// Thread-safe; hooks may be changed until the first call.
class FakeServer : private v1::ClassificationService::Service,
                   private v1::ServerService::Service {
 public:
  // On `host` at `port`; 0: a free one.
  explicit FakeServer(const std::string& host = "localhost", int port = 0);
  ~FakeServer() override;

  // False: the port was not free.
  bool is_listening() const { return server_ != nullptr; }
  int port() const { return port_; }

  const std::string& address() const { return address_; }
  FakeHooks& hooks() { return hooks_; }
  FakeModels& models() { return models_; }
  const FakeModels& models() const { return models_; }
  FakeJobs& jobs() { return jobs_; }
  FakeLabs& labs() { return labs_; }

  // Health of the whole server, or of one service.
  void SetServing(bool serving);
  void SetServing(const std::string& service, bool serving);

  // The requests that Classify has got, each try by itself.
  std::vector<v1::ClassifyRequest> classify_requests() const
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<v1::EmbedRequest> embed_requests() const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Streams that were opened.
  int streams() const { return streams_; }
  // Calls of every kind but health so far, each try by itself.
  int calls() const {
    return calls_ + models_.calls() + jobs_.calls() + labs_.calls();
  }

 private:
  grpc::Status Classify(grpc::ServerContext* context,
                        const v1::ClassifyRequest* request,
                        v1::ClassifyResponse* response) override;
  grpc::Status ClassifyStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::ClassifyStreamResponse,
                               v1::ClassifyStreamRequest>* stream) override;
  grpc::Status Embed(grpc::ServerContext* context,
                     const v1::EmbedRequest* request,
                     v1::EmbedResponse* response) override;
  grpc::Status GetServerInfo(grpc::ServerContext* context,
                             const v1::GetServerInfoRequest* request,
                             v1::GetServerInfoResponse* response) override;

  FakeModels models_;
  FakeJobs jobs_;
  FakeLabs labs_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::string address_;
  FakeHooks hooks_ = FakeHooks::Default();
  // Counters.
  std::atomic<int> calls_ = 0;
  std::atomic<int> streams_ = 0;
  mutable Mutex mutex_;
  std::vector<v1::ClassifyRequest> classify_requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::EmbedRequest> embed_requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd::test
