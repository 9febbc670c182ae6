#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/bytes.h"
#include "server/base/sha256.h"
#include "server/finetune/dataset_manager.h"
#include "server/store/dataset_catalog.h"
#include "tests/unit/image/picture_factory.h"

namespace resnetd {

inline Digest DigestOfText(absl::string_view text) {
  return Sha256Hex(AsBytes(text));
}

// A row as the catalog gives it, its picture named by `picture`.
inline ExampleRow RowOf(absl::string_view picture, int label,
                        ExampleSplit split = ExampleSplit::kAuto) {
  ExampleRow row;
  row.image = DigestOfText(picture);
  row.label = label;
  row.split = split;
  row.width = 8;
  row.height = 8;
  return row;
}

// A small PNG; every seed gives another one.
inline std::string PngOf(unsigned seed, int width = 8, int height = 8) {
  const testing::Encoded png =
      testing::EncodePng(testing::MakePhoto(width, height, seed));
  return {png.begin(), png.end()};
}

// `bytes` outlives it.
inline UploadedExample ExampleOf(const std::string& bytes,
                                 absl::string_view label,
                                 ExampleSplit split = ExampleSplit::kAuto,
                                 absl::string_view name = "x.png") {
  return {.name = std::string(name),
          .label = std::string(label),
          .split = split,
          .bytes = AsBytes(bytes)};
}

}  // namespace resnetd
