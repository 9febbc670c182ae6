#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/app/config.h"
#include "server/engine/kernel_selftest.h"

namespace resnetd {

// The whole server: builds the modules in their order, runs, drains.
//
// Start() and Drain() from one thread.
class Server {
 public:
  // Opens the store, listens, loads what the aliases name, brings about what is
  // declared. Never half a server: any failure is an error that says what to do
  // (INVALID_ARGUMENT, DATA_LOSS, NOT_FOUND: a model or a setting; UNAVAILABLE:
  // a port; FAILED_PRECONDITION: a backend, or STORE_UNUSABLE; DATA_LOSS with
  // STORE_CORRUPT). Only a stored version that cannot be loaded is left out:
  // the log says so, and its model answers with the reason. `kernels`: what the
  // self-test found, before any thread was started. `loaded` is called when the
  // models are there, before anybody is told that the server is ready: from
  // then on it has promised something, and is ended by Drain(). An error whose
  // metadata has "device": the device broke meanwhile.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const Config& config, const KernelSelftest& kernels,
      const std::function<void()>& loaded);
  virtual ~Server() = default;

  virtual int grpc_port() const = 0;
  virtual int http_port() const = 0;

  // Whether it takes calls: from Start() on, but for one that follows a
  // registry, which first has to have what that names.
  virtual bool is_ready() const = 0;

  // Whether the device that serves is broken for this process: the server is
  // not ready any more and has asked for its end (SIGTERM), so that whoever
  // watches it starts it again.
  virtual bool is_broken() const = 0;

  // Readiness off, wait --drain-delay-ms, refuse new calls, finish those in
  // flight for up to --drain-grace-ms, stop listening. Blocks. Once.
  virtual void Drain() = 0;
};

}  // namespace resnetd
