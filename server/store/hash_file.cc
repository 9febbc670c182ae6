#include "server/store/hash_file.h"

#include <algorithm>
#include <cstdint>
#include <vector>

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

absl::Status WrongBytes() {
  return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
               "a blob of the store is damaged: its bytes are not those of its "
               "digest; it was put aside, import the version again");
}

}  // namespace resnetd
