#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

namespace resnetd {

// A function that several may call and that calls `call` the first time alone.
// Copies share that; an empty one stays empty. Thread-safe.
inline std::function<void()> CallOnce(std::function<void()> call) {
  if (!call) {
    return call;
  }
  return [call = std::move(call),
          is_done = std::make_shared<std::atomic<bool>>(false)] {
    if (!is_done->exchange(true)) {
      call();
    }
  };
}

}  // namespace resnetd
