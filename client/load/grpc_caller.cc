#include "client/load/grpc_caller.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <utility>

#include "client/connection.h"
#include "client/convert.h"
#include "client/load/call_outcome.h"
#include "resnetd/v1/classification_service.grpc.pb.h"
#include "server/base/thread.h"

namespace resnetd::client {
namespace {

std::shared_ptr<grpc::Channel> MakeChannel(const GrpcCallerOptions& options) {
  grpc::ChannelArguments arguments =
      CommonArguments(options.target, options.security, "resnetd-load");
  // Each channel has connections of its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(options.target.grpc,
                                   options.security.credentials, arguments);
}

// A call whose pictures were not all classified is none that was answered.
CallOutcome OutcomeOfAnswer(const v1::ClassifyResponse& response) {
  for (const v1::ClassifyResult& result : response.results()) {
    if (result.has_error()) {
      return OutcomeOf(FromProto(result.error()));
    }
  }
  return {};
}

// A completion queue with a thread of its own, and not gRPC's callbacks: when a
// call is told to have ended, nothing of it is left that could still be freed
// in another thread while the channels go.
class GrpcCaller final : public Caller {
 public:
  explicit GrpcCaller(GrpcCallerOptions options)
      : timeout_(options.timeout), check_(std::move(options.check)) {
    for (ClassifyRequest& request : options.requests) {
      requests_.push_back(ToProto(std::move(request)));
    }
    for (std::size_t i = 0; i < options.connections; ++i) {
      stubs_.push_back(
          v1::ClassificationService::NewStub(MakeChannel(options)));
    }
    thread_ = Thread("answers", [this] { TakeAnswers(); });
  }
  ~GrpcCaller() override { queue_.Shutdown(); }

  void Call(std::size_t number, Done done) override;

 private:
  struct Pending {
    std::size_t number = 0;
    grpc::ClientContext context;
    v1::ClassifyResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::ClassifyResponse>>
        reader;
    Done done;
  };

  void TakeAnswers();

  CallOutcome OutcomeOfCall(const Pending& call) const {
    if (!call.status.ok()) {
      return OutcomeOf(FromGrpc(call.status));
    }
    return check_ ? check_(call.number, call.response)
                  : OutcomeOfAnswer(call.response);
  }

  const Duration timeout_;
  const decltype(GrpcCallerOptions::check) check_;
  std::vector<v1::ClassifyRequest> requests_;
  std::vector<std::unique_ptr<v1::ClassificationService::Stub>> stubs_;
  grpc::CompletionQueue queue_;
  Thread thread_;
};

void GrpcCaller::Call(std::size_t number, Done done) {
  // Owned by the queue until it ends.
  auto* const pending = new Pending;
  pending->number = number;
  pending->done = std::move(done);
  pending->context.set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          timeout_));
  pending->reader = stubs_[number % stubs_.size()]->AsyncClassify(
      &pending->context, requests_[number % requests_.size()], &queue_);
  pending->reader->Finish(&pending->response, &pending->status, pending);
}

void GrpcCaller::TakeAnswers() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    std::unique_ptr<Pending> pending(static_cast<Pending*>(tag));
    const Done done = std::move(pending->done);
    const CallOutcome outcome = OutcomeOfCall(*pending);
    pending.reset();
    done(outcome);
  }
}

}  // namespace

std::unique_ptr<Caller> MakeGrpcCaller(GrpcCallerOptions options) {
  return std::make_unique<GrpcCaller>(std::move(options));
}

}  // namespace resnetd::client
