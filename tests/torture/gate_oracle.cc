#include "tests/torture/gate_oracle.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

// What everybody may have, however much others have: see docs/serving.md.
constexpr std::size_t kCallsOfAll = 16;
constexpr std::size_t kBytesOfAll = 16U << 20U;

// More than that, and more than is left for others.
bool IsTooMuch(std::size_t own, std::size_t taken, std::size_t most,
               std::size_t assured) {
  return own > assured && own + taken > most;
}

}  // namespace

void GateOracle::Asked(const Caller& caller, std::size_t bytes,
                       bool is_let_in) {
  std::string against = AgainstCall(caller);
  if (against.empty()) {
    against = AgainstBytes(caller, bytes);
  }
  Judge(against, is_let_in, caller);
  if (is_let_in) {
    for (Held* const held : {&all_, &clients_[caller.identity],
                             &connections_[caller.connection]}) {
      ++held->calls;
      held->bytes += bytes;
    }
  }
}

void GateOracle::Charged(const Caller& caller, std::size_t bytes,
                         bool is_granted) {
  Judge(AgainstBytes(caller, bytes), is_granted, caller);
  if (is_granted) {
    for (Held* const held : {&all_, &clients_[caller.identity],
                             &connections_[caller.connection]}) {
      held->bytes += bytes;
    }
  }
}

void GateOracle::Answered(const Caller& caller) {
  ++connections_[caller.connection].answered;
}

void GateOracle::Left(const Caller& caller, std::size_t bytes,
                      bool was_answered) {
  for (Held* const held :
       {&all_, &clients_[caller.identity], &connections_[caller.connection]}) {
    --held->calls;
    held->bytes -= bytes;
  }
  connections_[caller.connection].answered -= was_answered ? 1 : 0;
}

void GateOracle::Check(std::size_t calls, std::size_t bytes) {
  if (calls != all_.calls || bytes != all_.bytes) {
    violations_.push_back(absl::StrCat("the gate says ", calls, " calls with ",
                                       bytes, " bytes, there are ", all_.calls,
                                       " with ", all_.bytes));
  }
}

std::string GateOracle::AgainstCall(const Caller& caller) const {
  if (all_.calls >= limits_.max_calls) {
    return "all calls are taken";
  }
  const Held connection = Of(connections_, caller.connection);
  if (connection.calls - connection.answered >=
      limits_.max_calls_per_connection) {
    return "the connection has all of its calls";
  }
  const Held client = Of(clients_, caller.identity);
  if (client.calls >= limits_.max_calls_per_client) {
    return "the client has all of its calls";
  }
  const bool has_others = client.calls < all_.calls;
  return has_others && IsTooMuch(client.calls + 1, all_.calls,
                                 limits_.max_calls, kCallsOfAll)
             ? "the client has more calls than are left"
             : "";
}

std::string GateOracle::AgainstBytes(const Caller& caller,
                                     std::size_t bytes) const {
  if (all_.bytes + bytes > limits_.max_bytes_held) {
    return "all bytes are taken";
  }
  const Held client = Of(clients_, caller.identity);
  if (bytes > 0 && client.bytes + bytes > limits_.max_bytes_held_per_client) {
    return "the client has all of its bytes";
  }
  // Whoever has none may take what is left.
  const bool has_some = bytes > 0 && client.bytes > 0;
  const bool has_others = client.bytes < all_.bytes;
  return has_some && has_others &&
                 IsTooMuch(client.bytes + bytes, all_.bytes + bytes,
                           limits_.max_bytes_held, kBytesOfAll)
             ? "the client has more bytes than are left"
             : "";
}

void GateOracle::Judge(const std::string& against, bool is_let_in,
                       const Caller& caller) {
  if (is_let_in && !against.empty()) {
    violations_.push_back(
        absl::StrCat("a call of ", caller.identity, " was let in: ", against));
  }
  if (!is_let_in && against.empty()) {
    violations_.push_back(absl::StrCat("a call of ", caller.identity,
                                       " was refused without a reason"));
  }
}

GateOracle::Held GateOracle::Of(const std::map<std::string, Held>& held,
                                const std::string& name) {
  const auto at = held.find(name);
  return at == held.end() ? Held{} : at->second;
}

}  // namespace resnetd
