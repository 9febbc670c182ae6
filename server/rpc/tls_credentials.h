#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "server/rpc/tls_source.h"

namespace resnetd {

// TLS 1.2 and 1.3 with what `source` has at each handshake. For one port. gRPC
// does not keep them: the credentials, and the source, outlive the server.
std::shared_ptr<grpc::ServerCredentials> TlsCredentials(
    const TlsSource& source);

}  // namespace resnetd
