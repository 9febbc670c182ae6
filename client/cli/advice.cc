#include "client/cli/advice.h"

#include <cstdint>
#include <functional>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
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
  std::int64_t oldest = 0;
  return absl::SimpleAtoi(info.Metadata("oldest"), &oldest) && oldest > 0
             ? absl::StrCat("--after ", oldest - 1, " begins with the oldest ",
                            "that is kept; `resnetctl models list` shows how "
                            "things are now")
             : "`resnetctl models list` shows how things are now";
}

using Make = std::string (*)(const ErrorInfo& info);

// By the reason of the error.
const std::map<std::string, Make>& ByReason() {
  static const auto* const kAdvice = new std::map<std::string, Make>{
      {std::string(client::kReasonNoConnection),
       [](const ErrorInfo&) -> std::string {
         return "start one with ./dev run, or name one with --server HOST:PORT "
                "or RESNETD_SERVER";
       }},
      {std::string(client::kReasonNotServing),
       [](const ErrorInfo&) -> std::string {
         return "try again in a moment; `resnetctl doctor` tells more";
       }},
      {std::string(client::kReasonDownloadCorrupt),
       [](const ErrorInfo&) -> std::string {
         return "try again; `resnetctl models verify` checks what is stored";
       }},
      {std::string(client::kReasonOtherStore),
       [](const ErrorInfo&) -> std::string {
         return "watch again without --after";
       }},
      {"MODEL_NOT_FOUND",
       [](const ErrorInfo&) -> std::string {
         return "`resnetctl models list` shows what there is";
       }},
      {"VERSION_NOT_FOUND",
       [](const ErrorInfo& info) {
         const std::string model = ModelOf(info);
         return model == "NAME"
                    ? std::string("`resnetctl models list` shows what there is")
                    : absl::StrCat("`resnetctl models versions ", model,
                                   "` shows what there is");
       }},
      {"VERSION_NOT_READY",
       [](const ErrorInfo& info) {
         return absl::StrCat("`resnetctl models load ", ModelOf(info),
                             "@N` loads it");
       }},
      {"ALIAS_MOVED", AliasMoved},
      {"ETAG_MISMATCH",
       [](const ErrorInfo&) -> std::string {
         return "somebody else changed it meanwhile: look, then try again";
       }},
      {"LABEL_CHANGE",
       [](const ErrorInfo&) -> std::string {
         return "if callers are ready for other labels, say "
                "--allow-label-change";
       }},
      {"VERSION_IN_USE", VersionInUse},
      {"NO_PREVIOUS_VERSION",
       [](const ErrorInfo& info) {
         return absl::StrCat("`resnetctl models promote ", ModelOf(info),
                             "@N` names one");
       }},
      {"DIGEST_MISMATCH",
       [](const ErrorInfo&) -> std::string {
         return "the file changed while it was sent, or was damaged on its "
                "way: try again";
       }},
      {"MEMORY_ADMISSION",
       [](const ErrorInfo& info) {
         return absl::StrCat(Figures(info), "`resnetctl models unload ",
                             ModelOf(info), "@N` frees a version");
       }},
      {"STORAGE_FULL",
       [](const ErrorInfo& info) {
         return absl::StrCat(Figures(info), "`resnetctl models delete ",
                             ModelOf(info), "@N` removes a version");
       }},
      {"STORE_CORRUPT",
       [](const ErrorInfo&) -> std::string {
         return "`resnetctl models verify` tells which versions are damaged";
       }},
      {"REQUEST_ID_CONFLICT",
       [](const ErrorInfo&) -> std::string {
         return "say another --request-id, or none";
       }},
      {"EVENTS_EXPIRED", EventsExpired},
  };
  return *kAdvice;
}

}  // namespace

std::string AdviceFor(const absl::Status& error) {
  const ErrorInfo info = client::ErrorInfoOf(error);
  const auto found = ByReason().find(info.reason);
  if (found != ByReason().end()) {
    return found->second(info);
  }
  if (info.retry_after) {
    return absl::StrCat("try again after ", FormatDuration(*info.retry_after));
  }
  switch (error.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return "allow more time with --timeout, for example --timeout 30s, or "
             "30m "
             "for a large file";
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
