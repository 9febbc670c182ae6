#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "resnetd/v1/fine_tune_service.grpc.pb.h"
#include "tests/support/fake_job_manager.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {

// A server that trains, with a fake JobManager.
class JobsTest : public RpcTest {
 protected:
  using Stub = v1::FineTuneService::Stub;

  JobsTest() { training_.jobs = &job_manager_; }
  ~JobsTest() override {
    job_manager_.Release();
    // Before the manager that it asks.
    server_.reset();
  }

  void ListenReady(const GrpcServerOptions& options = LoopbackOptions()) {
    RpcTest::ListenReady(options);
    jobs_ = v1::FineTuneService::NewStub(channel_);
  }

  // One call of a unary method of FineTuneService, for at most 20 s.
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
                    const Request& request, Response* response = nullptr) {
    Response ignored;
    grpc::ClientContext context;
    LimitTime(context);
    return (jobs_.get()->*method)(&context, request,
                                  response != nullptr ? response : &ignored);
  }

  // A request that is taken.
  static v1::CreateFineTuneJobRequest NewJobRequest(
      const std::string& request_id = "") {
    v1::CreateFineTuneJobRequest request;
    request.mutable_spec()->set_model("models/digits");
    request.mutable_spec()->set_dataset("datasets/photos");
    request.set_request_id(request_id);
    return request;
  }

  // A request that names a job alone.
  template <typename Request>
  static Request Named(JobNumber job, const std::string& etag = "",
                       const std::string& request_id = "") {
    Request request;
    request.set_name("jobs/" + std::to_string(job.value));
    request.set_etag(etag);
    request.set_request_id(request_id);
    return request;
  }

  FakeJobManager job_manager_;
  std::unique_ptr<Stub> jobs_;
};

}  // namespace resnetd
