#include "client/cli/advice.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "client/cli/model_ref.h"
#include "client/cli/text.h"
#include "client/error_info.h"

namespace resnetd::cli {
namespace {

using client::ErrorInfo;

// The model that an error is about, for a command line.
std::string ModelOf(const ErrorInfo& info) {
  const std::string model =
      info.resource ? ModelPart(info.resource->second) : "";
  return model.empty() ? "NAME" : model;
}

// A number of bytes among the facts, for people; empty: the server says none.
std::string BytesOf(const ErrorInfo& info, absl::string_view key) {
  std::int64_t bytes = 0;
  return absl::SimpleAtoi(info.Metadata(key), &bytes) ? FormatBytes(bytes) : "";
}

// "it needs 97.8 MiB, 3.0 MiB of 64.0 MiB are free; ".
std::string Figures(const ErrorInfo& info) {
  const std::string needed = BytesOf(info, "needed");
  const std::string free = BytesOf(info, "free");
  const std::string limit = BytesOf(info, "limit");
  if (needed.empty() || free.empty()) {
    return "";
  }
  return absl::StrCat("it needs ", needed, ", ", free,
                      limit.empty() ? "" : absl::StrCat(" of ", limit),
                      " are free; ");
}

std::string AliasMoved(const ErrorInfo& info) {
  const std::string current = info.Metadata("current");
  return current.empty() || current == "0"
             ? absl::StrCat("`resnetctl models show ", ModelOf(info),
                            "` tells what it names now")
             : absl::StrCat("it names version ", current,
                            " now; if that is fine, say --expect ", current);
}

std::string VersionInUse(const ErrorInfo& info) {
  const std::string model = ModelOf(info);
  std::vector<std::string> ways;
  for (const absl::string_view part :
       absl::StrSplit(info.Metadata("aliases"), ',')) {
    const absl::string_view alias = absl::StripAsciiWhitespace(part);
    if (alias == "stable") {
      ways.push_back(absl::StrCat("`resnetctl models promote ", model,
                                  "@N` moves stable to another version"));
    } else if (!alias.empty()) {
      ways.push_back(absl::StrCat("`resnetctl models alias delete ", model, "@",
                                  alias, "` removes ", alias));
    }
  }
  return ways.empty() ? absl::StrCat("`resnetctl models show ", model,
                                     "` tells which aliases name it")
                      : absl::StrJoin(ways, ", ");
}

std::string EventsExpired(const ErrorInfo& info) {
  if (!info.Metadata("samples").empty()) {
    return absl::StrCat("--from ", info.Metadata("oldest"),
                        " begins with the oldest that is kept");
  }
  if (info.resource && absl::StartsWith(info.resource->second, "jobs/")) {
    return "leave --after out to begin with the first event";
  }
  std::int64_t oldest = 0;
  return absl::SimpleAtoi(info.Metadata("oldest"), &oldest) && oldest > 0
             ? absl::StrCat("--after ", oldest - 1, " begins with the oldest ",
                            "that is kept; `resnetctl models list` shows how "
                            "things are now")
             : "`resnetctl models list` shows how things are now";
}

std::string VersionNotFound(const ErrorInfo& info) {
  const std::string model = ModelOf(info);
  return model == "NAME" ? "`resnetctl models list` shows what there is"
                         : absl::StrCat("`resnetctl models versions ", model,
                                        "` shows what there is");
}

std::string VersionNotReady(const ErrorInfo& info) {
  return absl::StrCat("`resnetctl models load ", ModelOf(info), "@N` loads it");
}

std::string NoPreviousVersion(const ErrorInfo& info) {
  return absl::StrCat("`resnetctl models promote ", ModelOf(info),
                      "@N` names one");
}

std::string MemoryAdmission(const ErrorInfo& info) {
  return absl::StrCat(Figures(info), "`resnetctl models unload ", ModelOf(info),
                      "@N` frees a version");
}

std::string StorageFull(const ErrorInfo& info) {
  return absl::StrCat(Figures(info), "`resnetctl models delete ", ModelOf(info),
                      "@N` removes a version");
}

std::string DatasetNotSealed(const ErrorInfo& info) {
  const std::string name =
      info.resource
          ? info.resource->second.substr(info.resource->second.rfind('/') + 1)
          : "NAME";
  return absl::StrCat("`resnetctl data seal ", name, "` seals it");
}

// The number of the job that an error is about.
std::string JobOf(const ErrorInfo& info) {
  return info.resource && absl::StartsWith(info.resource->second, "jobs/")
             ? info.resource->second.substr(5)
             : "N";
}

std::string JobState(const ErrorInfo& info) {
  const std::string state = info.Metadata("state");
  const std::string job = JobOf(info);
  if (state == "CREATED") {
    return absl::StrCat("`resnetctl train run ", job, "` lets it begin");
  }
  if (state == "PAUSED") {
    return absl::StrCat("`resnetctl train resume ", job, "` lets it go on");
  }
  return absl::StrCat("`resnetctl train show ", job, "` tells how it stands");
}

// What to say of an error by its reason: always the same, or by its facts.
struct Advice {
  absl::string_view reason;
  absl::string_view text;
  std::string (*make)(const ErrorInfo& info) = nullptr;
};

// Of probes alone: other limits say by themselves what to do.
std::string LimitExceeded(const ErrorInfo& info) {
  return absl::StartsWith(info.Metadata("limit_name"), "probe-")
             ? "say --pictures N for fewer, or leave --fd-check, --split or "
               "--paths out"
             : "";
}

constexpr std::array kAdvice = {
    Advice{client::kReasonNoConnection,
           "start one with ./dev run, or name one with --server HOST:PORT or "
           "RESNETD_SERVER"},
    Advice{client::kReasonNotServing,
           "try again in a moment; `resnetctl doctor` tells more"},
    Advice{client::kReasonTlsFailed,
           "--ca FILE names the authorities to believe, --server-name the name "
           "in the certificate, --cert and --key show one; docs/security.md"},
    Advice{"CREDENTIALS_MISSING",
           "say --token-file FILE or RESNETD_TOKEN_FILE; an operator makes "
           "one with `resnetctl token new`"},
    Advice{"CREDENTIALS_WRONG",
           "is it the token of this server? `resnetctl token new` makes "
           "another one"},
    Advice{"ROLE_MISSING",
           "ask the operator for a token with the role it needs"},
    Advice{client::kReasonDownloadCorrupt,
           "try again; `resnetctl models verify` checks what is stored"},
    Advice{client::kReasonOtherStore, "watch again without --after"},
    Advice{client::kReasonReplicasBehind,
           "the same command waits again; the log of a replica says why it "
           "does not follow"},
    Advice{"MODEL_NOT_FOUND", "`resnetctl models list` shows what there is"},
    Advice{"VERSION_NOT_FOUND", "", VersionNotFound},
    Advice{"VERSION_NOT_READY", "", VersionNotReady},
    Advice{"ALIAS_MOVED", "", AliasMoved},
    Advice{"ETAG_MISMATCH",
           "somebody else changed it meanwhile: look, then try again"},
    Advice{"LABEL_CHANGE",
           "if callers are ready for other labels, say --allow-label-change"},
    Advice{"GATE_NOT_PASSED",
           "train it longer or on more pictures; `resnetctl models compare` "
           "measures it again; --override-gate \"REASON\" promotes it all the "
           "same, and the audit keeps the reason"},
    Advice{"VERSION_IN_USE", "", VersionInUse},
    Advice{"NO_PREVIOUS_VERSION", "", NoPreviousVersion},
    Advice{"DIGEST_MISMATCH",
           "the file changed while it was sent, or was damaged on its way: try "
           "again"},
    Advice{"MEMORY_ADMISSION", "", MemoryAdmission},
    Advice{"STORAGE_FULL", "", StorageFull},
    Advice{"STORE_CORRUPT",
           "`resnetctl models verify` tells which versions are damaged"},
    Advice{"REQUEST_ID_CONFLICT", "say another --request-id, or none"},
    Advice{"EVENTS_EXPIRED", "", EventsExpired},
    Advice{"REPLICA", "say the registry's address with --server"},
    Advice{"DATASET_NOT_FOUND", "`resnetctl data list` shows what there is"},
    Advice{"DATASET_EXISTS",
           "the name was used before: choose another --dataset"},
    Advice{"DATASET_SEALED",
           "it can be trained on as it is; for more pictures choose another "
           "--dataset"},
    Advice{"DATASET_NOT_SEALED", "", DatasetNotSealed},
    Advice{"TOO_FEW_EXAMPLES",
           "`resnetctl data upload PATH --dataset NAME` adds some"},
    Advice{client::kReasonSourceChanged, "run the same command again"},
    Advice{"JOB_NOT_FOUND", "`resnetctl train list` shows what there is"},
    Advice{"CHECKPOINT_NOT_FOUND",
           "`resnetctl train checkpoints N` lists those there are"},
    Advice{"JOB_STATE", "", JobState},
    Advice{"RECIPE_INVALID",
           "leave a setting out and it is chosen; --dry-run shows the choice"},
    Advice{"LIMIT_EXCEEDED", "", LimitExceeded},
    Advice{"FORGETTING_NOT_ALLOWED",
           "name pictures of the old classes with --replay-dataset, or say "
           "--allow-forgetting"},
};

}  // namespace

std::string AdviceFor(const absl::Status& error) {
  const ErrorInfo info = client::ErrorInfoOf(error);
  for (const Advice& advice : kAdvice) {
    if (advice.reason == info.reason) {
      return advice.make == nullptr ? std::string(advice.text)
                                    : advice.make(info);
    }
  }
  if (info.retry_after) {
    return absl::StrCat("try again after ", FormatDuration(*info.retry_after));
  }
  switch (error.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return "allow more time with --timeout, for example --timeout 30s, or "
             "30m for a large file";
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return "the server asks for credentials that this call did not carry";
    case absl::StatusCode::kUnimplemented:
      return "is this a resnetd server? `resnetctl doctor` tells more";
    case absl::StatusCode::kInternal:
      return info.request_id.empty()
                 ? ""
                 : absl::StrCat("quote request id ", info.request_id,
                                " when reporting it");
    default:
      return "";
  }
}

}  // namespace resnetd::cli
