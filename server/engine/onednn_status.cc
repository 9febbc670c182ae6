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

namespace resnetd {
namespace {

bool IsOutOfMemory(const std::exception& exception) {
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    return true;
  }
  const auto* error = dynamic_cast<const dnnl::error*>(&exception);
  return error != nullptr && error->status == dnnl_out_of_memory;
}

int LibraryStatus(const std::exception& exception) {
  const auto* error = dynamic_cast<const dnnl::error*>(&exception);
  return error == nullptr ? 0 : static_cast<int>(error->status);
}

}  // namespace

absl::Status OneDnnError(absl::string_view doing,
                         const std::exception& exception) {
  const std::string what = exception.what();
  Log(LogLevel::kError, "engine: the library failed",
      {{"doing", std::string(doing)},
       {"error", what},
       {"status", absl::StrCat(LibraryStatus(exception))}});
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
