#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/finetune/trainer.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {

// What becomes of the last layer of the base.
enum class HeadPolicy {
  // KEEP when the base knows all labels of the data, GROW when it knows some,
  // REPLACE when it knows none.
  kAuto,
  // The labels of the data, with new rows.
  kReplace,
  // The labels of the base, then those of the data that it does not know.
  kGrow,
  // The labels of the base.
  kKeep,
  // The labels of the data, in its order; rows of labels that the base knows
  // are taken over.
  kRemap,
};

// The upper-case name, e.g. "GROW".
absl::string_view HeadPolicyName(HeadPolicy policy);

// A new head, decided.
struct HeadPlan {
  // Never kAuto.
  HeadPolicy policy = HeadPolicy::kKeep;
  std::vector<std::string> labels;
  // Per class: the row of the base that it begins with, or -1 for a new one.
  std::vector<int> base_row;
  // Per class of the base: the class with the same label, or -1.
  std::vector<int> class_map;
  // Per label of the data: its class.
  std::vector<int> data_classes;
};

// INVALID_ARGUMENT (RECIPE_INVALID): `policy` is kKeep and the base lacks
// labels of the data; all are named. Precondition: no list has a label twice.
absl::StatusOr<HeadPlan> PlanHead(HeadPolicy policy,
                                  const std::vector<std::string>& base_labels,
                                  const std::vector<std::string>& data_labels);

// The network with as many classes as the plan has labels.
Network WithHead(const Network& base, const HeadPlan& plan);

// The weights that the training of WithHead() begins with: those of the base,
// rows taken over bit for bit, new rows of a whole new head as
// torch.nn.Linear begins, of an old one a tenth of that and without bias, so
// that they do not outvote what is known. Every entry of the state dict but
// the counters, in its order.
TensorList WeightsWithHead(const Network& base, const Weights& weights,
                           const HeadPlan& plan, std::int64_t seed);

// Random weights to begin with, as torchvision's resnet: convolutions normal
// with variance 2 / (outputs * kernel area), batch norms 1 and 0, the head as
// torch.nn.Linear. `zero_init_residual`: every block begins as the identity:
// v1 by a 0 in its last batch norm; v2, where a ReLU behind that norm would
// never let a gradient through, by a 0 in its last convolution.
// Every entry of the state dict but the counters, in its order.
TensorList InitialWeights(const Network& network, std::int64_t seed,
                          bool zero_init_residual);

// As Weights, which TrainerFactory takes.
Weights ToWeights(const TensorList& tensors);

}  // namespace resnetd
