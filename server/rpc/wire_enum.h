#pragma once

#include <google/protobuf/generated_enum_reflection.h>

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/violations.h"

namespace resnetd {

// Enums whose values on the wire are those of the domain plus one: 0 is
// "unspecified" there, and often the first value here.
//
// Each pair is proved by static_asserts where it is used.

template <typename Wire, typename Domain>
Wire ToWire(Domain value) {
  return static_cast<Wire>(static_cast<int>(value) + 1);
}

// Absent: unspecified, or a violation of `field` for a value that there is not.
template <typename Domain, typename Wire>
std::optional<Domain> FromWire(Wire wire, absl::string_view field,
                               Violations& violations) {
  const google::protobuf::EnumDescriptor* type =
      google::protobuf::GetEnumDescriptor<Wire>();
  if (type->FindValueByNumber(static_cast<int>(wire)) == nullptr) {
    violations.Add(field, absl::StrCat(field, " ", static_cast<int>(wire),
                                       " is no value of ", type->name()));
    return std::nullopt;
  }
  if (static_cast<int>(wire) == 0) {
    return std::nullopt;
  }
  return static_cast<Domain>(static_cast<int>(wire) - 1);
}

}  // namespace resnetd
