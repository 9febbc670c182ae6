#pragma once

#include <string>

namespace resnetd {

// SHA-256 of a blob, 64 lower-case hex digits.
using Digest = std::string;

// Who changes something where nobody is asked for credentials.
inline constexpr char kAnonymous[] = "anonymous";

// Who changes something, and under which key a repetition is recognised.
struct Mutation {
  // Principal, or kAnonymous, or "startup".
  std::string actor = kAnonymous;
  // E.g. "SetAlias".
  std::string method;
  // Idempotency key of the caller; empty: none.
  std::string request_id;
  // SHA-256 of what the request asks for; decides whether a repetition is one.
  std::string request_hash;
};

}  // namespace resnetd
