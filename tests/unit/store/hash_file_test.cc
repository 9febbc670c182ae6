#include "server/store/hash_file.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "server/store/file_system.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

TEST(HashFileTest, IsThatOfTheBytesAtEverySizeAroundAPiece) {
  const TempDir folder;
  const auto files = Must(OpenFileSystem(folder.path()));
  const std::size_t piece = 1 << 20;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, piece - 1,
                                 piece, piece + 1, 3 * piece + 17}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
      text[i] = static_cast<char>(i * 31 % 251);
    }
    folder.Write("file", text);
    EXPECT_EQ(Must(HashOfFile(*Must(files->Open("file")))),
              Sha256Hex(BytesOf(text)))
        << size;
  }
}

TEST(HashFileTest, AFileThatShrinksIsDamage) {
  const TempDir folder;
  const auto files = Must(OpenFileSystem(folder.path()));
  folder.Write("file", "0123456789");
  const auto file = Must(files->Open("file"));
  folder.Write("file", "01234");
  EXPECT_EQ(DetailsOf(HashOfFile(*file).status()).reason, "STORE_CORRUPT");
}

TEST(ReadVerifiedTest, GivesTheBytesOfTheDigestAtEverySizeAroundItsPieces) {
  const TempDir folder;
  const auto files = Must(OpenFileSystem(folder.path()));
  const std::size_t piece = std::size_t{4} << 20U;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, piece - 1, piece, piece + 1,
        2 * piece - 1, 2 * piece, 2 * piece + 1, 3 * piece + 17}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
      text[i] = static_cast<char>(i * 31 % 251);
    }
    folder.Write("file", text);
    const auto file = Must(files->Open("file"));
    const auto bytes = ReadVerified(*file, Sha256Hex(BytesOf(text)));
    ASSERT_TRUE(bytes.ok()) << size << ": " << bytes.status();
    EXPECT_TRUE(absl::MakeConstSpan(*bytes) == BytesOf(text)) << size;
    if (size > 0) {
      text.back() = text.back() == 'a' ? 'b' : 'a';
      EXPECT_EQ(
          DetailsOf(ReadVerified(*file, Sha256Hex(BytesOf(text))).status())
              .reason,
          "STORE_CORRUPT")
          << size;
    }
  }
}

TEST(ReadVerifiedTest, AFileThatShrinksIsDamageWhereverItEnds) {
  const TempDir folder;
  const auto files = Must(OpenFileSystem(folder.path()));
  const std::string text(std::size_t{9} << 20U, 'a');
  for (const std::size_t left :
       {std::size_t{0}, text.size() / 2, text.size() - 1}) {
    folder.Write("file", text);
    const auto file = Must(files->Open("file"));
    folder.Write("file", text.substr(0, left));
    EXPECT_EQ(DetailsOf(ReadVerified(*file, Sha256Hex(BytesOf(text))).status())
                  .reason,
              "STORE_CORRUPT")
        << left;
  }
}

}  // namespace
}  // namespace resnetd
