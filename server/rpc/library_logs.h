#pragma once

namespace resnetd {

// From here on what gRPC has to say goes to our log, as warnings (its errors)
// and debug lines (the rest), at most 10 a second: clients can cause such
// lines. Protobuf's complaints about bytes that are no message are dropped, as
// the call's own line says it. For the whole process; may be called again.
void RouteLibraryLogs();

}  // namespace resnetd
