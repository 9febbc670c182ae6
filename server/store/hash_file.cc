#include "server/store/hash_file.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"

namespace resnetd {

absl::StatusOr<Digest> HashOfFile(const ReadableFile& file) {
  constexpr std::int64_t kPiece = 1 << 20;
  std::vector<std::uint8_t> bytes(
      static_cast<std::size_t>(std::min(kPiece, file.size())));
  Sha256 hash;
  for (std::int64_t offset = 0; offset < file.size(); offset += kPiece) {
    const auto piece = absl::MakeSpan(bytes).first(
        static_cast<std::size_t>(std::min(kPiece, file.size() - offset)));
    RETURN_IF_ERROR(file.ReadAt(offset, piece));
    hash.Update(piece);
  }
  return hash.Finish();
}

absl::StatusOr<std::vector<std::uint8_t>> ReadVerified(const ReadableFile& file,
                                                       const Digest& digest) {
  std::vector<std::uint8_t> bytes;
  try {
    bytes.resize(static_cast<std::size_t>(file.size()));
  } catch (const std::exception&) {  // bad_alloc, length_error
    return Error(
        absl::StatusCode::kResourceExhausted, Reason::kLimitExceeded,
        absl::StrCat("no memory for the ", file.size(), " bytes of a blob"));
  }
  RETURN_IF_ERROR(file.ReadAt(0, absl::MakeSpan(bytes)));
  if (Sha256Hex(bytes) != digest) {
    return WrongBytes();
  }
  return bytes;
}

absl::Status WrongBytes() {
  return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
               "a blob of the store is damaged: its bytes are not those of its "
               "digest; import the version again");
}

}  // namespace resnetd
