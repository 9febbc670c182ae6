#include "client/cli/doctor.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/batch_plan.h"
#include "client/cli/image_file.h"
#include "client/cli/report.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

// Clocks further apart than this make log lines of the two machines hard to
// compare, and tokens with an expiry fail.
constexpr std::chrono::seconds kMaxClockSkew(5);

// The value of a limit of the server; -1: it does not tell.
std::int64_t LimitOf(const client::ServerInfo& info, absl::string_view name) {
  for (const client::Limit& limit : info.limits) {
    if (limit.name == name) {
      return limit.value;
    }
  }
  return -1;
}

}  // namespace

absl::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      break;
  }
  return "fail";
}

Finding JudgeReadiness(const absl::StatusOr<client::Serving>& serving) {
  Finding finding = {.name = "ready", .message = "it takes calls"};
  if (!serving.ok()) {
    finding.verdict = Verdict::kFail;
    finding.message = absl::StrCat("its health service does not answer: ",
                                   Explain(serving.status()));
  } else if (*serving != client::Serving::kServing) {
    finding.verdict = Verdict::kFail;
    finding.message = absl::StrCat("it says ", ServingName(*serving));
    finding.advice =
        "it is starting or shutting down: try again in a moment, then read its "
        "log";
  }
  return finding;
}

Finding JudgeVersions(absl::string_view client_version,
                      const client::ServerInfo& info) {
  Finding finding = {
      .name = "version",
      .message = absl::StrCat("server ", info.version, ", client ",
                              client_version, ", gRPC ", info.grpc_version)};
  if (info.version != client_version) {
    finding.verdict = Verdict::kWarn;
    finding.advice = "use the resnetctl of the server's release";
  }
  return finding;
}

std::vector<Finding> JudgeBackends(const client::ServerInfo& info) {
  std::vector<Finding> findings;
  bool any_usable = false;
  for (const client::Backend& backend : info.backends) {
    any_usable = any_usable || backend.usable;
    Finding finding = {
        .name = backend.name,
        .verdict = backend.usable ? Verdict::kOk : Verdict::kWarn,
        .message = absl::StrCat(backend.usable ? "usable: " : "not usable: ",
                                backend.detail)};
    if (!backend.usable && backend.name == "torch") {
      finding.advice =
          "serving on a CPU does not need it; `./dev setup` on the server's "
          "machine gets LibTorch, LIBTORCH_ROOT names a copy that is there";
    } else if (!backend.usable) {
      finding.advice = "the server's log tells more";
    }
    findings.push_back(finding);
  }
  if (!any_usable) {
    findings.push_back({.name = "backends",
                        .verdict = Verdict::kFail,
                        .message = "nothing can compute a network here",
                        .advice = "install oneDNN (`./dev setup`) and start "
                                  "the server again"});
  }
  return findings;
}

Finding JudgeLimits(const client::ServerInfo& info) {
  const BatchLimits ours;
  const std::int64_t images = LimitOf(info, "max-images-per-request");
  const std::int64_t bytes = LimitOf(info, "max-image-bytes");
  Finding finding = {.name = "limits"};
  if (images >= 0) {
    absl::StrAppend(&finding.message, FormatCount(images),
                    " images a request, ");
  }
  if (bytes >= 0) {
    absl::StrAppend(&finding.message, FormatBytes(bytes), " an image, ");
  }
  absl::StrAppend(&finding.message, info.limits.size(),
                  " limits in all (`resnetctl version -o json` lists them)");
  const auto below = [](std::int64_t limit, std::size_t sent) {
    return limit >= 0 && limit < static_cast<std::int64_t>(sent);
  };
  if (below(images, ours.max_images)) {
    finding.verdict = Verdict::kWarn;
    finding.advice =
        absl::StrCat("`resnetctl classify` sends up to ", ours.max_images,
                     " images a request: name fewer pictures at once, or raise "
                     "--max-images-per-request of the server");
  } else if (below(bytes, kMaxImageBytes)) {
    finding.verdict = Verdict::kWarn;
    finding.advice =
        "pictures above this are refused: --max-image-bytes of the server "
        "sets it";
  }
  return finding;
}

Finding JudgeClock(const client::ServerInfo& info,
                   std::chrono::system_clock::time_point now,
                   std::chrono::nanoseconds round_trip) {
  // The server read its clock about half a round trip ago.
  const auto skew = std::chrono::duration_cast<std::chrono::milliseconds>(
      (info.start_time + info.uptime) - (now - round_trip / 2));
  const auto size = std::chrono::milliseconds(std::abs(skew.count()));
  Finding finding = {.name = "clock"};
  if (size <= kMaxClockSkew) {
    finding.message = absl::StrCat("server and client agree within ",
                                   FormatDuration(kMaxClockSkew), ", up ",
                                   FormatDuration(info.uptime));
    return finding;
  }
  finding.verdict = Verdict::kWarn;
  finding.message = absl::StrCat("the server's clock is ", FormatDuration(size),
                                 skew.count() > 0 ? " ahead of" : " behind",
                                 " this machine's");
  finding.advice = "set both clocks by NTP";
  return finding;
}

Finding JudgeMetrics(const absl::StatusOr<HttpAnswer>& answer) {
  Finding finding = {.name = "metrics", .message = "/metrics answers"};
  constexpr absl::string_view kAdvice =
      "the server's --http-listen sets it, port 8002 by default";
  if (!answer.ok()) {
    finding.verdict = Verdict::kFail;
    finding.message = Explain(answer.status());
    finding.advice = std::string(kAdvice);
  } else if (answer->status != 200) {
    finding.verdict = Verdict::kFail;
    finding.message =
        absl::StrCat("/metrics answers with HTTP status ", answer->status);
    finding.advice = std::string(kAdvice);
  } else if (!absl::StrContains(answer->body, "resnetd_")) {
    finding.verdict = Verdict::kFail;
    finding.message = "/metrics holds no metric of resnetd";
    finding.advice = std::string(kAdvice);
  }
  return finding;
}

DriverFacts InspectDriver() {
  DriverFacts facts;
  facts.has_device = access("/dev/nvidia0", F_OK) == 0;
  if (void* library = dlopen("libnvidia-ml.so.1", RTLD_LAZY | RTLD_LOCAL)) {
    facts.has_library = true;
    dlclose(library);
  }
  return facts;
}

Finding JudgeDriver(const DriverFacts& facts) {
  Finding finding = {.name = "GPU driver"};
  if (facts.has_device && facts.has_library) {
    finding.message = "NVIDIA's driver is there";
  } else if (!facts.has_device && !facts.has_library) {
    finding.message =
        "there is none: the server computes on the CPU of this machine";
  } else if (facts.has_device) {
    finding.verdict = Verdict::kWarn;
    finding.message = "/dev/nvidia0 is there, libnvidia-ml.so.1 is not";
    finding.advice =
        "install the driver's libraries; in a container set "
        "NVIDIA_DRIVER_CAPABILITIES=compute,utility";
  } else {
    finding.verdict = Verdict::kWarn;
    finding.message = "libnvidia-ml.so.1 is there, /dev/nvidia0 is not";
    finding.advice =
        "load the driver's kernel module; give a container the GPU (--gpus)";
  }
  return finding;
}

}  // namespace resnetd::cli
