#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "server/rpc/call_gate.h"

namespace resnetd {

// Says whether the calls that are let in, and those that are not, are the right
// ones: no limit is passed, nobody has more than is left for others, and nobody
// is refused for nothing. It keeps books of its own and shares no code with
// what it judges.
class GateOracle {
 public:
  GateOracle(const CallLimits& limits, std::vector<std::string>& violations)
      : limits_(limits), violations_(violations) {}

  // A call with so many bytes came.
  void Asked(const Caller& caller, std::size_t bytes, bool is_let_in);
  // One that is in flight asked for more.
  void Charged(const Caller& caller, std::size_t bytes, bool is_granted);
  void Answered(const Caller& caller);
  // It is over; it held so many bytes in all.
  void Left(const Caller& caller, std::size_t bytes, bool was_answered);
  // What the gate says.
  void Check(std::size_t calls, std::size_t bytes);

 private:
  struct Held {
    std::size_t calls = 0;
    std::size_t bytes = 0;
    std::size_t answered = 0;
  };

  // Why one more call, or so many more bytes, must be refused; empty: it must
  // not.
  std::string AgainstCall(const Caller& caller) const;
  std::string AgainstBytes(const Caller& caller, std::size_t bytes) const;
  void Judge(const std::string& against, bool is_let_in, const Caller& caller);
  static Held Of(const std::map<std::string, Held>& held,
                 const std::string& name);

  const CallLimits limits_;
  std::vector<std::string>& violations_;
  Held all_;
  std::map<std::string, Held> clients_;
  std::map<std::string, Held> connections_;
};

}  // namespace resnetd
