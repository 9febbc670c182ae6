#include "server/models/weights.h"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/models/float_conversion.h"
#include "server/models/safetensors.h"

namespace resnetd {
namespace {

// What wrappers of training scripts put before every name.
constexpr std::array<absl::string_view, 3> kPrefixes = {"module.", "model.",
                                                        "state_dict."};

// Entries of one kind in an error; resnet152 has 932 names, and a screen ends.
constexpr std::size_t kMaxListed = 50;

using TensorsByName = absl::flat_hash_map<absl::string_view, const TensorView*>;

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

std::string ShapeText(absl::Span<const std::int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

// The names and shapes in which file and network differ.
struct Difference {
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<std::string> wrong_shape;

  bool empty() const {
    return missing.empty() && unexpected.empty() && wrong_shape.empty();
  }
};

Difference Compare(const SafetensorsFile& file,
                   absl::Span<const TensorSpec> specs,
                   const TensorsByName& by_name) {
  Difference difference;
  absl::flat_hash_set<absl::string_view> known;
  for (const TensorSpec& spec : specs) {
    known.insert(spec.name);
    const auto found = by_name.find(spec.name);
    if (found == by_name.end()) {
      if (!spec.optional_counter) {
        difference.missing.push_back(
            absl::StrCat(spec.name, " ", ShapeText(spec.shape)));
      }
    } else if (found->second->shape != spec.shape) {
      difference.wrong_shape.push_back(
          absl::StrCat(spec.name, " ", ShapeText(found->second->shape),
                       ", needed ", ShapeText(spec.shape)));
    }
  }
  const std::size_t prefix_bytes = CommonPrefix(file.tensors());
  for (const TensorView& tensor : file.tensors()) {
    const absl::string_view name =
        absl::string_view(tensor.name).substr(prefix_bytes);
    if (!known.contains(name)) {
      difference.unexpected.push_back(
          absl::StrCat(Quoted(name, 128), " ", ShapeText(tensor.shape)));
    }
  }
  return difference;
}

TensorsByName ByName(const SafetensorsFile& file) {
  const std::size_t prefix_bytes = CommonPrefix(file.tensors());
  TensorsByName by_name;
  for (const TensorView& tensor : file.tensors()) {
    by_name.emplace(absl::string_view(tensor.name).substr(prefix_bytes),
                    &tensor);
  }
  return by_name;
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

absl::Status Mismatch(const Difference& difference) {
  std::string text = absl::StrCat(
      "the weights do not fit the network: ", difference.missing.size(),
      " missing, ", difference.unexpected.size(), " unexpected, ",
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

absl::Status BadValue(absl::string_view name, std::size_t index,
                      std::size_t count, absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt,
               absl::StrCat("tensor ", name, ": value ", index, " of ", count,
                            " ", what))
      .Metadata("tensor", name);
}

absl::Status CheckValues(absl::string_view name,
                         absl::Span<const float> values) {
  if (const std::size_t bad = FirstNonFinite(values); bad < values.size()) {
    return BadValue(name, bad, values.size(),
                    absl::StrCat("is ", values[bad], ", not a finite number"));
  }
  if (!absl::EndsWith(name, ".running_var")) {
    return absl::OkStatus();
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0) {
      return BadValue(
          name, i, values.size(),
          absl::StrCat("is ", values[i], ", a variance is never negative"));
    }
  }
  return absl::OkStatus();
}

std::size_t CountValues(absl::Span<const std::int64_t> shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) {
    count *= static_cast<std::size_t>(size);
  }
  return count;
}

}  // namespace

Weights::Weights(absl::flat_hash_map<std::string, Tensor> tensors)
    : tensors_(std::move(tensors)) {}

absl::StatusOr<Weights> Weights::Bind(const SafetensorsFile& file,
                                      const Network& network) {
  const std::vector<TensorSpec> specs = TensorSpecs(network);
  const TensorsByName by_name = ByName(file);
  if (const Difference difference = Compare(file, specs, by_name);
      !difference.empty()) {
    return Mismatch(difference);
  }
  absl::flat_hash_map<std::string, Tensor> tensors;
  tensors.reserve(specs.size());
  for (const TensorSpec& spec : specs) {
    Tensor& tensor = tensors[spec.name];
    tensor.shape = spec.shape;
    tensor.values.resize(CountValues(spec.shape));
    if (const auto found = by_name.find(spec.name); found != by_name.end()) {
      ConvertToFloat(*found->second, absl::MakeSpan(tensor.values));
      RETURN_IF_ERROR(CheckValues(spec.name, tensor.values));
    }
  }
  return Weights(std::move(tensors));
}

bool Weights::Fit(const SafetensorsFile& file, const Network& network) {
  return Compare(file, TensorSpecs(network), ByName(file)).empty();
}

Weights Weights::FromTensors(absl::flat_hash_map<std::string, Tensor> tensors) {
  return Weights(std::move(tensors));
}

const Tensor& Weights::at(absl::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    Log(LogLevel::kError, "weights: no such tensor",
        {{"name", std::string(name)}});
    std::abort();
  }
  return found->second;
}

}  // namespace resnetd
