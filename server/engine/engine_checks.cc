#include "server/engine/engine_checks.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/engine/cpu_engine.h"

namespace resnetd {

absl::Status CheckMaxBatch(std::size_t max_batch) {
  if (max_batch >= 1 && max_batch <= kLargestEngineBatch) {
    return absl::OkStatus();
  }
  return Error(
             absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
             absl::StrCat("max_batch is ", max_batch,
                          ", the CPU engine takes 1 to ", kLargestEngineBatch))
      .Metadata("limit", absl::StrCat(kLargestEngineBatch));
}

absl::Status CheckThreads(int threads) {
  if (threads >= 1 && threads <= kMostEngineThreads) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat("threads is ", threads,
                            ", the CPU engine takes 1 to ", kMostEngineThreads))
      .Violation("threads", "out of range");
}

absl::StatusOr<PrecisionPolicy> CheckPolicy(absl::string_view precision) {
  std::optional<PrecisionPolicy> policy = ParsePrecisionPolicy(precision);
  if (policy) {
    return *std::move(policy);
  }
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat("precision is ", Quoted(precision, 32),
                            ", the CPU engine has auto, fp32, bf16 and int8"))
      .Violation("precision", "is none of these");
}

}  // namespace resnetd
