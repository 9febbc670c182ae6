#include "server/engine/onednn_status.h"

#include <exception>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/engine/onednn_api.h"

namespace resnetd {
namespace {

// dnnl_success: it is not the library's.
dnnl_status_t LibraryStatus(const std::exception& exception) {
  const auto* error = dynamic_cast<const dnnl::error*>(&exception);
  return error == nullptr ? dnnl_success : error->status;
}

bool IsOutOfMemory(const std::exception& exception) {
  return dynamic_cast<const std::bad_alloc*>(&exception) != nullptr ||
         LibraryStatus(exception) == dnnl_out_of_memory;
}

}  // namespace

absl::Status OneDnnError(absl::string_view doing,
                         const std::exception& exception) {
  if (LibraryStatus(exception) == dnnl_unimplemented) {
    // Not a fault: what another CPU can do.
    return Error(absl::StatusCode::kFailedPrecondition,
                 Reason::kBackendUnavailable,
                 absl::StrCat("this CPU and ", LibraryVersion(),
                              " have no such arithmetic (", doing,
                              "); use another precision"));
  }
  const std::string what = exception.what();
  if (LibraryStatus(exception) == dnnl_unimplemented) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 Reason::kBackendUnavailable,
                 "the library has no kernels for this arithmetic on this CPU");
  }
  Log(LogLevel::kError, "engine: the library failed",
      {{"doing", std::string(doing)},
       {"error", what},
       {"status", absl::StrCat(static_cast<int>(LibraryStatus(exception)))}});
  if (IsOutOfMemory(exception)) {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
                 absl::StrCat("the CPU engine has no memory for ", doing,
                              "; use smaller batches or fewer models"));
  }
  return Error(
      absl::StatusCode::kInternal, Reason::kInternal,
      absl::StrCat("the CPU engine failed while ", doing, "; see the log"));
}

}  // namespace resnetd
