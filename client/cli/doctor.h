#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cli/http_probe.h"
#include "client/client.h"

namespace resnetd::cli {

enum class Verdict { kOk, kWarn, kFail };

// E.g. "warn".
absl::string_view VerdictName(Verdict verdict);

// One line of the doctor.
struct Finding {
  std::string name;
  Verdict verdict = Verdict::kOk;
  // What was found.
  std::string message = {};
  // What to do about it; empty when nothing needs to be done.
  std::string advice = {};
};

// The judgements, over plain values.

Finding JudgeReadiness(const absl::StatusOr<client::Serving>& serving);
// Whether client and server are of the same release.
Finding JudgeVersions(absl::string_view client_version,
                      const client::ServerInfo& info);
// One line per model; a failed one for no model at all.
std::vector<Finding> JudgeModels(
    const absl::StatusOr<std::vector<client::Model>>& models);
// What the store has: one line in all, one per model that answers nobody and
// one per version that could not be loaded. `versions`: those of all models.
std::vector<Finding> JudgeStore(
    const std::vector<client::Model>& models,
    const absl::StatusOr<std::vector<client::Version>>& versions);
// One line per backend. That LibTorch is missing is a warning only: a server
// on a CPU does not need it.
std::vector<Finding> JudgeBackends(const client::ServerInfo& info);
// Whether the requests of `resnetctl classify` fit into the server's limits.
Finding JudgeLimits(const client::ServerInfo& info);
// The difference between the clocks of server and client. `now` is when the
// answer came, `round_trip` how long the call took.
Finding JudgeClock(const client::ServerInfo& info,
                   std::chrono::system_clock::time_point now,
                   std::chrono::nanoseconds round_trip);
// The answer to GET /metrics.
Finding JudgeMetrics(const absl::StatusOr<HttpAnswer>& answer);

// What of NVIDIA's driver is on this machine.
struct DriverFacts {
  bool has_device = false;   // /dev/nvidia0
  bool has_library = false;  // libnvidia-ml.so.1
};
DriverFacts InspectDriver();
Finding JudgeDriver(const DriverFacts& facts);

}  // namespace resnetd::cli
