#pragma once

#include <grpcpp/grpcpp.h>

#include "resnetd/v1/server_service.grpc.pb.h"
#include "server/rpc/server_facts.h"
#include "server/rpc/unary_call.h"

namespace resnetd {

// resnetd.v1.ServerService. Also answers while the server starts and drains.
// Thread-safe.
class ServerService final
    : public v1::ServerService::WithRawCallbackMethod_GetServerInfo<
          v1::ServerService::Service> {
 public:
  // `environment` belongs to the caller and outlives the service.
  ServerService(CallEnvironment& environment, const ServerFacts& facts);

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;

 private:
  v1::GetServerInfoResponse Describe() const;

  CallEnvironment& environment_;
  // What never changes, made once.
  const v1::GetServerInfoResponse fixed_;
  // How long the process had been running at `made_at_`: from there on the
  // steady clock counts, so that a set wall clock does not change the uptime.
  const Duration uptime_when_made_;
  const SteadyTime made_at_;
};

}  // namespace resnetd
