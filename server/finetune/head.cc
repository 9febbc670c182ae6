#include "server/finetune/head.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/finetune/random.h"

namespace resnetd {
namespace {

using LabelIndex = absl::flat_hash_map<std::string, int>;

LabelIndex IndexOf(const std::vector<std::string>& labels) {
  LabelIndex index;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    index.emplace(labels[i], static_cast<int>(i));
  }
  return index;
}

int Find(const LabelIndex& index, const std::string& label) {
  const auto found = index.find(label);
  return found == index.end() ? -1 : found->second;
}

HeadPolicy Choose(std::size_t known, std::size_t data_labels) {
  if (known == data_labels) {
    return HeadPolicy::kKeep;
  }
  return known > 0 ? HeadPolicy::kGrow : HeadPolicy::kReplace;
}

absl::Status UnknownLabels(const std::vector<std::string>& unknown) {
  constexpr std::size_t kMostNamed = 10;
  std::vector<std::string> named;
  for (const std::string& label : unknown) {
    if (named.size() == kMostNamed) {
      named.push_back(
          absl::StrCat("and ", unknown.size() - kMostNamed, " more"));
      break;
    }
    named.push_back(Quoted(label));
  }
  const std::string text =
      absl::StrCat("KEEP needs a base that knows every label; it lacks ",
                   absl::StrJoin(named, ", "), "; GROW adds them");
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRecipeInvalid,
               absl::StrCat("head: ", text))
      .Violation("head", text);
}

// Fills rows of a linear layer as torch.nn.Linear begins: uniform within
// 1 / sqrt(inputs), both weights and bias.
class LinearFill {
 public:
  LinearFill(std::int64_t seed, int inputs)
      : seed_(seed), bound_(1 / std::sqrt(static_cast<double>(inputs))) {}

  void Weights(float* row, std::size_t inputs, std::uint64_t which,
               double scale) const {
    RandomStream stream(seed_, RandomPurpose::kHead, which, 0);
    for (std::size_t i = 0; i < inputs; ++i) {
      row[i] = static_cast<float>(scale * stream.Uniform(-bound_, bound_));
    }
  }
  float Bias(std::uint64_t which) const {
    RandomStream stream(seed_, RandomPurpose::kHead, which, 1);
    return static_cast<float>(stream.Uniform(-bound_, bound_));
  }

 private:
  std::int64_t seed_;
  double bound_;
};

struct HeadTensors {
  Tensor weight;
  Tensor bias;
};

// `old` is only looked at for rows that are taken over.
HeadTensors MakeHead(const LinearLayer& layer, const HeadTensors& old,
                     const std::vector<int>& base_row, std::int64_t seed) {
  constexpr double kAddedScale = 0.1;
  const auto inputs = static_cast<std::size_t>(layer.in_features);
  const std::size_t rows = base_row.size();
  const bool is_new = std::all_of(base_row.begin(), base_row.end(),
                                  [](int row) { return row < 0; });
  const LinearFill fill(seed, layer.in_features);
  HeadTensors head;
  head.weight.shape = {static_cast<std::int64_t>(rows), layer.in_features};
  head.weight.values.resize(rows * inputs);
  head.bias.shape = {static_cast<std::int64_t>(rows)};
  head.bias.values.resize(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    float* const weights = &head.weight.values[row * inputs];
    if (base_row[row] < 0) {
      fill.Weights(weights, inputs, row, is_new ? 1 : kAddedScale);
      head.bias.values[row] = is_new ? fill.Bias(row) : 0;
      continue;
    }
    const auto from = static_cast<std::size_t>(base_row[row]);
    std::copy_n(&old.weight.values[from * inputs], inputs, weights);
    head.bias.values[row] = old.bias.values[from];
  }
  return head;
}

// The tensors that begin with 0 when every block is to be the identity.
std::set<std::string> ZeroedTensors(const Network& network) {
  std::set<std::string> zeroed;
  for (const ResidualBlock& block : network.blocks) {
    const ConvUnit& last = block.main_path.back();
    zeroed.insert((network.version == BlockVersion::kV1 && last.norm
                       ? last.norm->name
                       : last.conv.name) +
                  ".weight");
  }
  return zeroed;
}

std::size_t ValueCount(const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) {
    count *= static_cast<std::size_t>(size);
  }
  return count;
}

// Weights of a convolution {out, in / groups, k, k}.
void FillConvolution(Tensor& tensor, std::int64_t seed, std::uint64_t which) {
  const double fan_out = static_cast<double>(tensor.shape[0]) *
                         static_cast<double>(tensor.shape[2]) *
                         static_cast<double>(tensor.shape[3]);
  const double deviation = std::sqrt(2 / fan_out);
  RandomStream stream(seed, RandomPurpose::kInitialWeights, which, 0);
  for (float& value : tensor.values) {
    value = static_cast<float>(deviation * stream.Normal());
  }
}

}  // namespace

absl::string_view HeadPolicyName(HeadPolicy policy) {
  switch (policy) {
    case HeadPolicy::kAuto:
      return "AUTO";
    case HeadPolicy::kReplace:
      return "REPLACE";
    case HeadPolicy::kGrow:
      return "GROW";
    case HeadPolicy::kKeep:
      return "KEEP";
    case HeadPolicy::kRemap:
      return "REMAP";
  }
  return "UNKNOWN";
}

absl::StatusOr<HeadPlan> PlanHead(HeadPolicy policy,
                                  const std::vector<std::string>& base_labels,
                                  const std::vector<std::string>& data_labels) {
  const LabelIndex of_base = IndexOf(base_labels);
  std::vector<std::string> unknown;
  for (const std::string& label : data_labels) {
    if (Find(of_base, label) < 0) {
      unknown.push_back(label);
    }
  }
  HeadPlan plan;
  plan.policy =
      policy != HeadPolicy::kAuto
          ? policy
          : Choose(data_labels.size() - unknown.size(), data_labels.size());
  if (plan.policy == HeadPolicy::kKeep && !unknown.empty()) {
    return UnknownLabels(unknown);
  }
  const bool keeps_base =
      plan.policy == HeadPolicy::kKeep || plan.policy == HeadPolicy::kGrow;
  plan.labels = keeps_base ? base_labels : data_labels;
  if (plan.policy == HeadPolicy::kGrow) {
    plan.labels.insert(plan.labels.end(), unknown.begin(), unknown.end());
  }
  for (const std::string& label : plan.labels) {
    plan.base_row.push_back(
        plan.policy == HeadPolicy::kReplace ? -1 : Find(of_base, label));
  }
  const LabelIndex of_plan = IndexOf(plan.labels);
  for (const std::string& label : base_labels) {
    plan.class_map.push_back(Find(of_plan, label));
  }
  for (const std::string& label : data_labels) {
    plan.data_classes.push_back(Find(of_plan, label));
  }
  return plan;
}

Network WithHead(const Network& base, const HeadPlan& plan) {
  Network network = base;
  network.head.out_features = static_cast<int>(plan.labels.size());
  return network;
}

TensorList WeightsWithHead(const Network& base, const Weights& weights,
                           const HeadPlan& plan, std::int64_t seed) {
  const std::string weight_name = base.head.name + ".weight";
  const std::string bias_name = base.head.name + ".bias";
  const HeadTensors old = {.weight = weights.at(weight_name),
                           .bias = weights.at(bias_name)};
  HeadTensors head = MakeHead(base.head, old, plan.base_row, seed);
  TensorList tensors;
  for (const TensorSpec& spec : TensorSpecs(base)) {
    if (spec.optional_counter) {
      continue;
    }
    if (spec.name == weight_name) {
      tensors.emplace_back(spec.name, std::move(head.weight));
    } else if (spec.name == bias_name) {
      tensors.emplace_back(spec.name, std::move(head.bias));
    } else {
      tensors.emplace_back(spec.name, weights.at(spec.name));
    }
  }
  return tensors;
}

TensorList InitialWeights(const Network& network, std::int64_t seed,
                          bool zero_init_residual) {
  const std::set<std::string> zeroed =
      zero_init_residual ? ZeroedTensors(network) : std::set<std::string>();
  const std::vector<int> new_rows(
      static_cast<std::size_t>(network.head.out_features), -1);
  HeadTensors head = MakeHead(network.head, {}, new_rows, seed);
  TensorList tensors;
  for (const TensorSpec& spec : TensorSpecs(network)) {
    if (spec.optional_counter) {
      continue;
    }
    Tensor tensor{.shape = spec.shape,
                  .values = std::vector<float>(ValueCount(spec.shape), 0)};
    constexpr std::size_t kConvolutionRank = 4;
    if (spec.name == network.head.name + ".weight") {
      tensor = std::move(head.weight);
    } else if (spec.name == network.head.name + ".bias") {
      tensor = std::move(head.bias);
    } else if (zeroed.count(spec.name) > 0) {
      // As it is.
    } else if (spec.shape.size() == kConvolutionRank) {
      FillConvolution(tensor, seed, tensors.size());
    } else if (absl::EndsWith(spec.name, ".weight") ||
               absl::EndsWith(spec.name, ".running_var")) {
      std::fill(tensor.values.begin(), tensor.values.end(), 1.0F);
    }
    tensors.emplace_back(spec.name, std::move(tensor));
  }
  return tensors;
}

Weights ToWeights(const TensorList& tensors) {
  absl::flat_hash_map<std::string, Tensor> map;
  for (const auto& [name, tensor] : tensors) {
    map.emplace(name, tensor);
  }
  return Weights::FromTensors(std::move(map));
}

}  // namespace resnetd
