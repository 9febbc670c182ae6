#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/rpc/access.h"

namespace resnetd {

// The role that a method of resnetd.v1 needs, by the option of the protos;
// methods of all services have names of their own, e.g. "Classify". Nothing:
// the protos know no such method, or give it no role.
//
// Two services have protos that are not ours. Health is asked by those who have
// no credentials, probes and load balancers: everybody may. Reflection cannot
// ask who calls: there is none where the server asks for credentials.
std::optional<Role> RoleOfMethod(absl::string_view method);

}  // namespace resnetd
