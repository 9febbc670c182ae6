#include "client/load/grpc_calls.h"

#include "client/connection.h"

namespace resnetd::client {

std::shared_ptr<grpc::Channel> MakeLoadChannel(
    const Target& target, const ChannelSecurity& security) {
  grpc::ChannelArguments arguments =
      CommonArguments(target, security, "resnetd-load");
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(target.grpc, security.credentials,
                                   arguments);
}

}  // namespace resnetd::client
