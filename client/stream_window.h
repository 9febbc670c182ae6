#pragma once

#include <cstddef>

namespace resnetd::client {

// What of a stream is out and has no answer yet, or how much of it may be.
struct StreamWindow {
  std::size_t requests = 0;
  std::size_t bytes = 0;
};

// Whether another request may go out. One that is larger than what is left goes
// all the same: what counts is what is out before it, so that the largest
// request is not stuck for ever.
inline bool HasRoom(const StreamWindow& out, const StreamWindow& most) {
  return out.requests < most.requests && out.bytes < most.bytes;
}

}  // namespace resnetd::client
