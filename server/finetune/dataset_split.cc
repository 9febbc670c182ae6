#include "server/finetune/dataset_split.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/sha256.h"

namespace resnetd {
namespace {

// What one class has, over all its examples.
struct ClassTally {
  // By ExampleSplit.
  std::array<std::size_t, 4> count{};
  // Examples without a split of their own, and the extreme ones of them.
  std::size_t automatic = 0;
  std::size_t lowest = 0;
  std::size_t highest = 0;
};

std::size_t At(ExampleSplit split) { return static_cast<std::size_t>(split); }

ExampleSplit SplitAt(double point, const SplitSpec& spec) {
  if (point < spec.validation) {
    return ExampleSplit::kValidation;
  }
  return point < spec.validation + spec.test ? ExampleSplit::kTest
                                             : ExampleSplit::kTrain;
}

// Moves the example `from` to `to`.
void Move(std::size_t from, ExampleSplit to, ClassTally& tally,
          std::vector<ExampleSplit>& splits) {
  --tally.count[At(splits[from])];
  ++tally.count[At(to)];
  splits[from] = to;
}

void FillEmpty(const SplitSpec& spec, ClassTally& tally,
               std::vector<ExampleSplit>& splits) {
  if (tally.automatic < 2) {
    return;
  }
  if (spec.validation > 0 && tally.count[At(ExampleSplit::kValidation)] == 0) {
    Move(tally.lowest, ExampleSplit::kValidation, tally, splits);
  }
  if (tally.count[At(ExampleSplit::kTrain)] == 0) {
    Move(tally.highest, ExampleSplit::kTrain, tally, splits);
  }
}

}  // namespace

absl::Status CheckSplit(const SplitSpec& spec) {
  Error error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
              "the shares of the split are not allowed: each is 0 or more, "
              "both together are less than 1");
  bool is_wrong = false;
  const auto complain = [&](absl::string_view field, double share) {
    error.AddViolation(field, absl::StrCat(share, " is not a share"));
    is_wrong = true;
  };
  for (const auto& [field, share] : {std::pair("validation", spec.validation),
                                     std::pair("test", spec.test)}) {
    if (!(share >= 0 && share < 1)) {
      complain(field, share);
    }
  }
  if (!is_wrong && !(spec.validation + spec.test < 1)) {
    complain("test", spec.test);
  }
  return is_wrong ? absl::Status(std::move(error)) : absl::OkStatus();
}

double SplitPoint(const Digest& image, std::uint64_t seed) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>((seed >> shift) & 0xffU));
  }
  absl::StrAppend(&bytes, absl::HexStringToBytes(image));
  std::uint64_t first = 0;
  // The digest is hex of our own making: its first 16 digits are a number.
  (void)absl::SimpleHexAtoi(
      absl::string_view(Sha256Hex(AsBytes(bytes))).substr(0, 16), &first);
  // The 11 lowest bits do not fit a double; without them it is never 1.
  return std::ldexp(static_cast<double>(first >> 11U), -53);
}

std::vector<ExampleSplit> AssignSplits(absl::Span<const ExampleRow> examples,
                                       const SplitSpec& spec) {
  std::vector<ExampleSplit> splits(examples.size());
  std::vector<double> points(examples.size());
  std::map<int, ClassTally> classes;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const ExampleRow& example = examples[i];
    ClassTally& tally = classes[example.label];
    splits[i] = example.split;
    if (example.split == ExampleSplit::kAuto) {
      points[i] = SplitPoint(example.image, spec.seed);
      splits[i] = SplitAt(points[i], spec);
      if (tally.automatic == 0 || points[i] < points[tally.lowest]) {
        tally.lowest = i;
      }
      if (tally.automatic == 0 || points[i] > points[tally.highest]) {
        tally.highest = i;
      }
      ++tally.automatic;
    }
    ++tally.count[At(splits[i])];
  }
  for (auto& [label, tally] : classes) {
    FillEmpty(spec, tally, splits);
  }
  return splits;
}

}  // namespace resnetd
