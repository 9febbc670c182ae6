#include "server/models/tensor_names.h"

#include <array>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"

namespace resnetd {
namespace {

// What wrappers of training scripts put before every name.
constexpr std::array<absl::string_view, 3> kPrefixes = {"module.", "model.",
                                                        "state_dict."};

// Entries of one kind in an error; resnet152 has 932 names, and a screen ends.
constexpr std::size_t kMaxListed = 50;

bool AllBeginWith(absl::Span<const TensorView> tensors, std::size_t skipped,
                  absl::string_view prefix) {
  for (const TensorView& tensor : tensors) {
    if (!absl::StartsWith(absl::string_view(tensor.name).substr(skipped),
                          prefix)) {
      return false;
    }
  }
  return !tensors.empty();
}

// Length of the known prefixes that all names share, one after the other.
std::size_t CommonPrefix(absl::Span<const TensorView> tensors) {
  std::size_t skipped = 0;
  bool found = true;
  while (found) {
    found = false;
    for (const absl::string_view prefix : kPrefixes) {
      if (AllBeginWith(tensors, skipped, prefix)) {
        skipped += prefix.size();
        found = true;
      }
    }
  }
  return skipped;
}

void AppendList(absl::string_view kind, absl::Span<const std::string> entries,
                std::string& text) {
  for (std::size_t i = 0; i < entries.size() && i < kMaxListed; ++i) {
    absl::StrAppend(&text, "\n  ", kind, ": ", entries[i]);
  }
  if (entries.size() > kMaxListed) {
    absl::StrAppend(&text, "\n  ", kind, ": ... and ",
                    entries.size() - kMaxListed, " more");
  }
}

}  // namespace

TensorNames::TensorNames(absl::Span<const TensorView> tensors)
    : tensors_(tensors), prefix_bytes_(CommonPrefix(tensors)) {
  by_name_.reserve(tensors.size());
  for (const TensorView& tensor : tensors) {
    by_name_.emplace(NameOf(tensor), &tensor);
  }
}

const TensorView* TensorNames::Find(absl::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

TensorDifference Compare(const TensorNames& tensors,
                         absl::Span<const TensorSpec> specs) {
  TensorDifference difference;
  absl::flat_hash_set<absl::string_view> known;
  known.reserve(specs.size());
  for (const TensorSpec& spec : specs) {
    known.insert(spec.name);
    const TensorView* found = tensors.Find(spec.name);
    if (found == nullptr) {
      if (!spec.optional_counter) {
        difference.missing.push_back(
            absl::StrCat(spec.name, " ", ShapeText(spec.shape)));
      }
    } else if (found->shape != spec.shape) {
      difference.wrong_shape.push_back(
          absl::StrCat(spec.name, " ", ShapeText(found->shape), ", needed ",
                       ShapeText(spec.shape)));
    }
  }
  for (const TensorView& tensor : tensors.tensors()) {
    const absl::string_view name = tensors.NameOf(tensor);
    if (!known.contains(name)) {
      difference.unexpected.push_back(
          absl::StrCat(Quoted(name, 128), " ", ShapeText(tensor.shape)));
    }
  }
  return difference;
}

absl::Status MismatchError(absl::string_view what,
                           const TensorDifference& difference) {
  std::string text =
      absl::StrCat(what, ": ", difference.missing.size(), " missing, ",
                   difference.unexpected.size(), " unexpected, ",
                   difference.wrong_shape.size(), " of a wrong shape");
  AppendList("missing", difference.missing, text);
  AppendList("unexpected", difference.unexpected, text);
  AppendList("wrong shape", difference.wrong_shape, text);
  return Error(absl::StatusCode::kInvalidArgument, Reason::kWeightsMismatch,
               text)
      .Metadata("missing", absl::StrCat(difference.missing.size()))
      .Metadata("unexpected", absl::StrCat(difference.unexpected.size()))
      .Metadata("wrong_shape", absl::StrCat(difference.wrong_shape.size()));
}

}  // namespace resnetd
