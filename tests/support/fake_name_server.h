#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd {

// A name server of one name on a free UDP port of the loopback. It knows IPv4
// addresses only, as a headless service of Kubernetes with three pods would
// show them; any other name does not exist. Thread-safe.
class FakeNameServer {
 public:
  // `name`: e.g. "resnetd.test".
  explicit FakeNameServer(std::string name);
  FakeNameServer(const FakeNameServer&) = delete;
  FakeNameServer& operator=(const FakeNameServer&) = delete;
  ~FakeNameServer();

  // False: there is no socket to be had.
  bool is_listening() const { return port_ != 0; }
  int port() const { return port_; }

  // What the name stands for from now on, e.g. {"127.0.0.1"}; at most 16.
  void SetAddresses(std::vector<std::string> addresses)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Questions for the addresses of the name so far.
  int lookups() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Serve() ABSL_LOCKS_EXCLUDED(mutex_);
  // The answer to a datagram; empty: it is no question.
  std::string AnswerTo(const std::string& question) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string name_;
  int port_ = 0;
  const int socket_;
  mutable Mutex mutex_;
  std::vector<std::string> addresses_ ABSL_GUARDED_BY(mutex_);
  int lookups_ ABSL_GUARDED_BY(mutex_) = 0;
  // Last: it uses the others.
  Thread thread_;
};

}  // namespace resnetd
