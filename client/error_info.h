#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace resnetd::client {

// Reasons of errors that the client itself finds, in domain kClientDomain. The
// reasons of the server (domain "resnetd") are listed in
// proto/resnetd/v1/error_reason.proto.
inline constexpr absl::string_view kClientDomain = "resnetd.client";
// UNAVAILABLE: nothing answers at the address.
inline constexpr absl::string_view kReasonNoConnection = "NO_CONNECTION";
// UNAVAILABLE: a server is there, but says that it takes no calls now.
inline constexpr absl::string_view kReasonNotServing = "NOT_SERVING";
// DEADLINE_EXCEEDED: the server has not answered within the timeout.
inline constexpr absl::string_view kReasonNoAnswer = "NO_ANSWER";
// INVALID_ARGUMENT: ClientOptions::server is not an address.
inline constexpr absl::string_view kReasonBadAddress = "BAD_ADDRESS";
// INVALID_ARGUMENT: ClientOptions::security cannot be used: a file, or what
// contradicts itself.
inline constexpr absl::string_view kReasonBadCredentials = "BAD_CREDENTIALS";
// UNAVAILABLE: the server is there, and TLS with it failed.
inline constexpr absl::string_view kReasonTlsFailed = "TLS_FAILED";
// INTERNAL: the answer does not fit the request.
inline constexpr absl::string_view kReasonBadAnswer = "BAD_ANSWER";
// DATA_LOSS: what was downloaded does not have the digest or size announced.
inline constexpr absl::string_view kReasonDownloadCorrupt = "DOWNLOAD_CORRUPT";
// DATA_LOSS: what is uploaded became shorter, or cannot be read any more.
inline constexpr absl::string_view kReasonSourceChanged = "SOURCE_CHANGED";
// ABORTED: the events of the server began anew while they were watched.
inline constexpr absl::string_view kReasonOtherStore = "OTHER_STORE";
// DEADLINE_EXCEEDED: an alias was moved, and not every replica follows yet.
inline constexpr absl::string_view kReasonReplicasBehind = "REPLICAS_BEHIND";

// What an error of a call says beside its code and its text, decoded.
struct ErrorInfo {
  // Why, for programs, e.g. "MODEL_NOT_FOUND"; empty: the error carries none.
  std::string reason;
  // Who defines the reason.
  std::string domain;
  // Facts that belong to the reason, ordered by key.
  std::vector<std::pair<std::string, std::string>> metadata;
  // {field path, what is wrong with it}, e.g. {"images[3]", "too large"}.
  std::vector<std::pair<std::string, std::string>> violations;
  // {kind, name} of what the error is about, e.g. {"model", "models/cats"}.
  std::optional<std::pair<std::string, std::string>> resource;
  // The call may be tried again after this time.
  std::optional<std::chrono::nanoseconds> retry_after;
  // Id of the call in the log lines of the server.
  std::string request_id;

  // The value of `key` in metadata; empty when absent.
  std::string Metadata(absl::string_view key) const;
};

// The details of an error that a method of Client returned. Everything empty
// for an error from elsewhere, or from a server that sends no details.
ErrorInfo ErrorInfoOf(const absl::Status& status);

// An error that the client finds itself: ErrorInfoOf() gives `reason` and
// kClientDomain.
absl::Status ClientError(absl::StatusCode code, absl::string_view reason,
                         absl::string_view message);

}  // namespace resnetd::client
