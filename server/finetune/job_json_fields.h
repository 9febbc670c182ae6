#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/base/ids.h"
#include "server/finetune/job.h"

namespace resnetd {

// Members of the JSON texts that the server writes for itself. Reading throws
// nlohmann::json::exception or BadJobText where something is not as it was
// written: only inside ReadJobText().

// A value that is of the right type and still none of ours.
struct BadJobText {};

// Runs `read` on the parsed text. DATA_LOSS (STORE_CORRUPT): it is no such
// text.
template <typename T, typename Read>
absl::StatusOr<T> ReadJobText(absl::string_view what, absl::string_view text,
                              const Read& read) {
  try {
    return read(nlohmann::json::parse(text.begin(), text.end()));
  } catch (const nlohmann::json::exception&) {
  } catch (const BadJobText&) {
  }
  return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
               absl::StrCat("the ", what, " of a job is damaged in the store"));
}

template <typename T>
T Checked(absl::StatusOr<T> value) {
  if (!value.ok()) {
    throw BadJobText();
  }
  return *std::move(value);
}

template <typename E>
E EnumOf(const nlohmann::json& value, int least, int most) {
  const int number = value.get<int>();
  if (number < least || number > most) {
    throw BadJobText();
  }
  return static_cast<E>(number);
}

inline std::int64_t MicrosecondsOf(WallTime time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             time.time_since_epoch())
      .count();
}
inline WallTime TimeOf(const nlohmann::json& value) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(
      std::chrono::microseconds(value.get<std::int64_t>())));
}

// Calls `read` with the member when it is there.
template <typename Read>
auto Maybe(const nlohmann::json& object, const char* member, const Read& read)
    -> std::optional<decltype(read(object))> {
  const auto found = object.find(member);
  if (found == object.end()) {
    return std::nullopt;
  }
  return read(*found);
}

nlohmann::json ToJson(const EvaluationMetrics& metrics);
EvaluationMetrics EvaluationOf(const nlohmann::json& object);
nlohmann::json ToJson(const StepMetrics& metrics);
StepMetrics StepOf(const nlohmann::json& object);
nlohmann::json ToJson(const GateVerdict& verdict);
GateVerdict VerdictOf(const nlohmann::json& object);

}  // namespace resnetd
