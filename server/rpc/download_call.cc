#include "server/rpc/download_call.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"

namespace resnetd {

absl::Status VerifiedBlob::Read(std::string& chunk) {
  const std::int64_t left = blob_->size() - offset_;
  chunk.resize(static_cast<std::size_t>(
      std::min(left, static_cast<std::int64_t>(kMaxChunkBytes))));
  const auto bytes = absl::MakeSpan(
      reinterpret_cast<std::uint8_t*>(chunk.data()), chunk.size());
  if (!bytes.empty()) {
    RETURN_IF_ERROR(blob_->ReadAt(offset_, bytes));
  }
  hash_.Update(bytes);
  offset_ += static_cast<std::int64_t>(bytes.size());
  if (offset_ < blob_->size()) {
    return absl::OkStatus();
  }
  if (hash_.Finish() != digest_) {
    Log(LogLevel::kError, "the bytes of a blob do not have its digest",
        {{"digest", digest_}});
    return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                 absl::StrCat("blob ", digest_,
                              " is damaged: its bytes do not have this digest; "
                              "nothing of what was sent may be used"));
  }
  is_verified_ = true;
  return absl::OkStatus();
}

}  // namespace resnetd
