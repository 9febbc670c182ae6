#include "server/nn/torch_status.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/log.h"

namespace resnetd {
namespace {

// The CPU allocator, and what its kernels allocate beside it, have no exception
// types of their own; these are their texts.
// So have pinned memory, recordings and the libraries of a GPU.
constexpr std::array<absl::string_view, 5> kNoMemoryTexts = {
    "can't allocate memory", "posix_memalign failed",
    "CUDA error: out of memory", "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED"};

bool IsOutOfMemory(const std::exception& error) {
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
         std::any_of(kNoMemoryTexts.begin(), kNoMemoryTexts.end(),
                     [&error](absl::string_view text) {
                       return absl::StrContains(error.what(), text);
                     });
}

absl::Status OutOfMemory(absl::string_view task, TorchUse use) {
  if (use == TorchUse::kTraining) {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kOutOfMemory,
                 absl::StrCat("not enough memory to ", task,
                              "; use smaller batches, train fewer parts, or "
                              "try again when the server has less to do"));
  }
  return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
               absl::StrCat("not enough memory to ", task,
                            "; send fewer images at once or try again when "
                            "the server has less to do"));
}

// Without the stack trace that c10 appends.
std::string LibraryText(const std::exception& error) {
  const auto* c10_error = dynamic_cast<const c10::Error*>(&error);
  return c10_error != nullptr ? c10_error->what_without_backtrace()
                              : error.what();
}

}  // namespace

absl::Status TorchError(absl::string_view task, const std::exception& error,
                        TorchUse use) {
  Log(LogLevel::kError, "LibTorch failed",
      {{"task", std::string(task)}, {"library_text", LibraryText(error)}});
  if (IsOutOfMemory(error)) {
    return OutOfMemory(task, use);
  }
  return Error(absl::StatusCode::kInternal, Reason::kInternal,
               absl::StrCat("the torch backend failed to ", task,
                            "; the server's log says why"));
}

absl::Status UnknownTorchError(absl::string_view task) {
  Log(LogLevel::kError, "LibTorch failed with an unknown exception",
      {{"task", std::string(task)}});
  return Error(absl::StatusCode::kInternal, Reason::kInternal,
               absl::StrCat("the torch backend failed to ", task));
}

void WarningsToLog::process(const c10::Warning& warning) {
  Log(LogLevel::kWarning, "LibTorch warns", {{"library_text", warning.msg()}});
}

}  // namespace resnetd
