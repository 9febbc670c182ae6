#include "server/store/hash_file.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/populate_memory.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/store/filling_hash.h"

namespace resnetd {
namespace {

// What is read and then hashed, by another core from kLeastBeside on: there a
// thread costs nothing beside what it takes off.
constexpr std::size_t kPieceOfBlob = std::size_t{4} << 20U;
constexpr std::size_t kLeastBeside = std::size_t{8} << 20U;

}  // namespace

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
  const auto size = static_cast<std::size_t>(file.size());
  std::vector<std::uint8_t> bytes;
  try {
    bytes.reserve(size);
  } catch (const std::exception&) {  // bad_alloc, length_error
    return Error(
        absl::StatusCode::kResourceExhausted, Reason::kLimitExceeded,
        absl::StrCat("no memory for the ", file.size(), " bytes of a blob"));
  }
  FillingHash hash(bytes.data(), size >= kLeastBeside);
  while (bytes.size() < size) {
    // Within what is reserved: the bytes stay where they are.
    const std::size_t done = bytes.size();
    const std::size_t piece = std::min(size - done, kPieceOfBlob);
    PopulateMemory(bytes.data() + done, piece);
    bytes.resize(done + piece);
    RETURN_IF_ERROR(file.ReadAt(static_cast<std::int64_t>(done),
                                absl::MakeSpan(bytes).subspan(done)));
    hash.Filled(bytes.size());
  }
  if (hash.Finish() != digest) {
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
