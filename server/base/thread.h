#pragma once

#include <functional>
#include <string>
#include <thread>

namespace resnetd {

// A thread with a name (seen in `top -H`), joined on destruction.
//
// Declare members of this type last in a class, so that everything the thread
// touches is alive until it has ended. Not thread-safe.
class Thread {
 public:
  Thread() = default;
  // Starts at once. `name`: at most 15 bytes are kept (a limit of Linux).
  Thread(std::string name, std::function<void()> body);
  Thread(Thread&&) = default;
  Thread& operator=(Thread&& other) noexcept;
  ~Thread();

  // Waits for the end of the body. May be called once or not at all.
  void Join();

 private:
  std::thread thread_;
};

}  // namespace resnetd
