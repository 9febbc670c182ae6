#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "server/finetune/trainer.h"
#include "server/image/pixels.h"
#include "server/image/preprocess.h"
#include "tests/support/seeded_random.h"

namespace resnetd {

inline constexpr int kDigitClasses = 10;
inline constexpr int kDigitSide = 8;

inline PreprocessSpec DigitPreprocess() {
  return {.resize = kDigitSide,
          .crop = kDigitSide,
          .mean = {0.5, 0.5, 0.5},
          .std = {0.25, 0.25, 0.25}};
}

// The handwritten digits of data/digits.
struct Digits {
  std::vector<Pixels> pictures;
  std::vector<int> labels;
  // Rows to learn from, and the rows that no training may look at.
  std::vector<std::size_t> train;
  std::vector<std::size_t> held_out;
};

// `folder`: data/digits. Empty when it cannot be read.
inline Digits ReadDigits(const std::string& folder) {
  Digits digits;
  gzFile file = gzopen(absl::StrCat(folder, "/digits.csv.gz").c_str(), "rb");
  std::array<char, 1024> line{};
  while (file != nullptr &&
         gzgets(file, line.data(), static_cast<int>(line.size())) != nullptr) {
    Pixels picture{.width = kDigitSide, .height = kDigitSide, .rgb = {}};
    std::vector<int> numbers;
    for (const auto word : absl::StrSplit(line.data(), ',')) {
      numbers.push_back(0);
      if (!absl::SimpleAtoi(word, &numbers.back())) {
        return {};
      }
    }
    digits.labels.push_back(numbers.back());
    numbers.pop_back();
    for (const int ink : numbers) {
      // 0 to 16; the same for red, green and blue.
      picture.rgb.insert(picture.rgb.end(), 3,
                         static_cast<std::uint8_t>((ink * 255 + 8) / 16));
    }
    digits.pictures.push_back(std::move(picture));
  }
  gzclose(file);
  std::ifstream rows(absl::StrCat(folder, "/held-out.txt"));
  for (std::size_t row = 0; rows >> row;) {
    digits.held_out.push_back(row);
  }
  for (std::size_t row = 0; row < digits.labels.size(); ++row) {
    if (!std::binary_search(digits.held_out.begin(), digits.held_out.end(),
                            row)) {
      digits.train.push_back(row);
    }
  }
  return digits;
}

// `digits` outlives the batch.
inline TrainingBatch BatchOf(const Digits& digits,
                             absl::Span<const std::size_t> rows) {
  TrainingBatch batch;
  for (const std::size_t row : rows) {
    batch.pictures.push_back(&digits.pictures[row]);
    batch.labels.push_back(digits.labels[row]);
  }
  return batch;
}

// Batches of training digits, epoch after epoch in an order of its own; what
// does not fill a batch is left out. A plain value.
class DigitBatches {
 public:
  // `digits` outlives this.
  DigitBatches(const Digits& digits, std::size_t size, std::uint64_t seed)
      : digits_(&digits), size_(size), random_(seed), rows_(digits.train) {}

  int per_epoch() const { return static_cast<int>(rows_.size() / size_); }

  TrainingBatch Next() {
    if (next_ % static_cast<std::size_t>(per_epoch()) == 0) {
      next_ = 0;
      for (std::size_t i = rows_.size() - 1; i > 0; --i) {
        std::swap(rows_[i], rows_[random_.Below(i + 1)]);
      }
    }
    return BatchOf(*digits_,
                   absl::MakeConstSpan(rows_).subspan(next_++ * size_, size_));
  }

 private:
  const Digits* digits_;
  std::size_t size_;
  SeededRandom random_;
  std::vector<std::size_t> rows_;
  std::size_t next_ = 0;
};

}  // namespace resnetd
