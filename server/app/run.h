#pragma once

namespace resnetd {

// Exit codes of resnetd.
inline constexpr int kExitOk = 0;
// The server could not start: port, backend, store, ...; or --verify-store
// found something.
inline constexpr int kExitFailed = 1;
// A flag, the environment, the configuration file or a declared model is wrong.
inline constexpr int kExitUsage = 2;
// The device that serves is broken for this process: start it again.
inline constexpr int kExitDevice = 3;

// The whole program: reads the settings, serves until SIGTERM or SIGINT,
// drains. A second signal ends it at once, as the first one does before it is
// ready. Returns the exit code. Called once, from main, before any thread
// exists.
int RunServer(int argc, const char* const* argv);

}  // namespace resnetd
