#include "client/cli/npy.h"

#include <bit>
#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"

namespace resnetd::cli {
namespace {

// The data begin at a multiple of this, so that they can be mapped.
constexpr std::size_t kAlignment = 64;
// What stands before the dictionary: a magic word, a version, two bytes with
// the dictionary's length.
constexpr std::size_t kPreamble = 10;

void AppendFloat(float value, std::string& out) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (unsigned shift = 0; shift < 32; shift += 8) {
    out.push_back(static_cast<char>((bits >> shift) & 0xFFU));
  }
}

}  // namespace

std::string NpyFile(absl::Span<const std::vector<float>> rows,
                    std::size_t columns) {
  std::string dictionary =
      absl::StrCat("{'descr': '<f4', 'fortran_order': False, 'shape': (",
                   rows.size(), ", ", columns, "), }");
  const std::size_t unpadded = kPreamble + dictionary.size() + 1;
  dictionary.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  dictionary.push_back('\n');
  std::string out("\x93NUMPY\x01\x00", 8);
  out.push_back(static_cast<char>(dictionary.size() & 0xFFU));
  out.push_back(static_cast<char>(dictionary.size() >> 8U));
  out += dictionary;
  out.reserve(out.size() + rows.size() * columns * sizeof(float));
  for (const std::vector<float>& row : rows) {
    for (std::size_t i = 0; i < columns; ++i) {
      AppendFloat(
          i < row.size() ? row[i] : std::numeric_limits<float>::quiet_NaN(),
          out);
    }
  }
  return out;
}

}  // namespace resnetd::cli
