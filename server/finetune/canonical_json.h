#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace resnetd {

// One text for one value: members sorted by the bytes of their names, no
// spaces, numbers in the shortest form that reads back as the same double, -0
// as 0, strings with the escapes that JSON demands and no others. Its digest
// identifies the value. Precondition: strings are UTF-8, numbers are finite.
std::string CanonicalJson(const nlohmann::json& value);

}  // namespace resnetd
