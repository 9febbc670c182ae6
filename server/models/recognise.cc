#include "server/models/recognise.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/status_macros.h"
#include "server/models/labels.h"
#include "server/models/tensor_names.h"

namespace resnetd {
namespace {

// What a head without a plausible shape is taken to have.
constexpr int kUsualClasses = 1000;
constexpr std::int64_t kMaxClasses = kMaxLabels;

// The outputs of the head.
int CountClasses(const TensorNames& tensors) {
  for (const absl::string_view name : {"fc.weight", "fc.bias"}) {
    const TensorView* head = tensors.Find(name);
    if (head != nullptr && !head->shape.empty() && head->shape[0] >= 1 &&
        head->shape[0] <= kMaxClasses) {
      return static_cast<int>(head->shape[0]);
    }
  }
  return kUsualClasses;
}

// A candidate and in how many entries the file differs from it.
struct Candidate {
  std::string name;
  std::size_t differences = std::numeric_limits<std::size_t>::max();
};

// Entries of a network that a file has, has in another shape, and lacks.
struct Tally {
  std::size_t found = 0;
  std::size_t wrong = 0;
  std::size_t missing = 0;

  void Add(const TensorNames& tensors, const TensorSpec& spec) {
    const TensorView* tensor = tensors.Find(spec.name);
    if (tensor != nullptr) {
      ++found;
      wrong += tensor->shape == spec.shape ? 0U : 1U;
    } else if (!spec.optional_counter) {
      ++missing;
    }
  }
  void Add(const Tally& other) {
    found += other.found;
    wrong += other.wrong;
    missing += other.missing;
  }
  // Of a file of `tensors` entries.
  std::size_t Differences(std::size_t tensors) const {
    return missing + wrong + (tensors - found);
  }
};

std::vector<TensorSpec> SpecsOf(const std::string& name, int classes) {
  return TensorSpecs(BuildNetwork(*FindArchitecture(name, classes)));
}

// The block in its stage that an entry belongs to: 3 for
// "layer2.3.conv1.weight"; absent outside the blocks.
std::optional<std::size_t> BlockOf(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "layer")) {
    return std::nullopt;
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  std::uint32_t block = 0;
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[1], &block)) {
    return std::nullopt;
  }
  return block;
}

// One more than the largest block that the file names, from 1 to `most`.
std::size_t CountBlocks(const TensorNames& tensors, std::size_t most) {
  std::size_t count = 1;
  for (const TensorView& tensor : tensors.tensors()) {
    if (const auto block = BlockOf(tensors.NameOf(tensor))) {
      count = std::max(count, std::min(*block, most - 1) + 1);
    }
  }
  return count;
}

// The nearest of cifar_resnet<6n+2> + `suffix`. The entries of a shallow one
// are among those of a deeper one, so that one network, as deep as the file,
// gives the differences to all: deeper ones than the file only lack more.
Candidate NearestCifar(const TensorNames& tensors, int classes,
                       absl::string_view suffix) {
  const auto name_of = [suffix](std::size_t n) {
    return absl::StrCat("cifar_resnet", 6 * n + 2, suffix);
  };
  const std::size_t deepest = CountBlocks(tensors, kLargestCifarN);
  Tally rest;
  std::vector<Tally> blocks(deepest);
  for (const TensorSpec& spec : SpecsOf(name_of(deepest), classes)) {
    const std::optional<std::size_t> block = BlockOf(spec.name);
    (block ? blocks[*block] : rest).Add(tensors, spec);
  }
  Candidate nearest;
  for (std::size_t n = 1; n <= deepest; ++n) {
    rest.Add(blocks[n - 1]);
    const std::size_t differences = rest.Differences(tensors.size());
    if (differences < nearest.differences) {
      nearest = {name_of(n), differences};
    }
  }
  return nearest;
}

Candidate Nearest(const TensorNames& tensors, int classes) {
  Candidate nearest;
  for (const std::string& name : ImageNetArchitectures()) {
    Tally tally;
    for (const TensorSpec& spec : SpecsOf(name, classes)) {
      tally.Add(tensors, spec);
    }
    const std::size_t differences = tally.Differences(tensors.size());
    if (differences < nearest.differences) {
      nearest = {name, differences};
    }
  }
  for (const absl::string_view suffix : {"", "_v2"}) {
    Candidate cifar = NearestCifar(tensors, classes, suffix);
    if (cifar.differences < nearest.differences) {
      nearest = std::move(cifar);
    }
  }
  return nearest;
}

absl::Status Mismatch(absl::string_view what, const TensorNames& tensors,
                      const Architecture& architecture) {
  return MismatchError(
      what, Compare(tensors, TensorSpecs(BuildNetwork(architecture))));
}

std::string TitleOf(const Architecture& architecture) {
  return absl::StrCat(architecture.name, " with ", architecture.num_classes,
                      " classes");
}

}  // namespace

absl::StatusOr<Architecture> RecogniseArchitecture(
    absl::Span<const TensorView> tensors, absl::string_view wanted) {
  const TensorNames names(tensors);
  const int classes = CountClasses(names);
  if (!wanted.empty()) {
    ASSIGN_OR_RETURN(Architecture architecture,
                     FindArchitecture(wanted, classes));
    if (Compare(names, TensorSpecs(BuildNetwork(architecture))).empty()) {
      return architecture;
    }
  }
  const Candidate nearest = Nearest(names, classes);
  ASSIGN_OR_RETURN(Architecture architecture,
                   FindArchitecture(nearest.name, classes));
  if (wanted.empty() && nearest.differences == 0) {
    return architecture;
  }
  if (wanted.empty()) {
    return Mismatch(
        absl::StrCat("the weights fit no known network; the nearest is ",
                     TitleOf(architecture)),
        names, architecture);
  }
  ASSIGN_OR_RETURN(const Architecture asked, FindArchitecture(wanted, classes));
  return Mismatch(absl::StrCat("the weights do not fit ", TitleOf(asked),
                               nearest.differences == 0
                                   ? absl::StrCat(" (they are those of ",
                                                  TitleOf(architecture), ")")
                                   : ""),
                  names, asked);
}

}  // namespace resnetd
