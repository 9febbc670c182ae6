#include "server/nn/trainer_checks.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/finetune/network_parts.h"
#include "server/models/device_name.h"

namespace resnetd {
namespace {

Error Invalid(absl::string_view text) {
  return {absl::StatusCode::kInvalidArgument, Reason::kRecipeInvalid, text};
}

// Collects what is wrong, so that all of it is told at once.
class Violations {
 public:
  void Require(bool holds, absl::string_view field, absl::string_view rule) {
    if (!holds) {
      found_.emplace_back(field, absl::StrCat("must be ", rule));
    }
  }

  void RequireShare(double value, absl::string_view field) {
    Require(value >= 0 && value < 1, field, "at least 0 and less than 1");
  }

  void RequireSize(double value, absl::string_view field) {
    Require(std::isfinite(value) && value >= 0, field, "finite, at least 0");
  }

  absl::Status ToStatus() const {
    if (found_.empty()) {
      return absl::OkStatus();
    }
    Error error = Invalid(
        absl::StrCat("the training cannot be set up: ", found_.front().first,
                     " ", found_.front().second));
    for (const auto& [field, description] : found_) {
      error.AddViolation(field, description);
    }
    return error;
  }

 private:
  std::vector<std::pair<std::string, std::string>> found_;
};

void CheckOptimizer(const OptimizerSettings& optimizer, Violations& found) {
  found.RequireShare(optimizer.momentum, "momentum");
  found.RequireShare(optimizer.beta1, "beta1");
  found.RequireShare(optimizer.beta2, "beta2");
  found.RequireSize(optimizer.epsilon, "epsilon");
  found.RequireSize(optimizer.weight_decay, "weight_decay");
}

bool AreClassWeights(const std::vector<float>& weights, int classes) {
  return weights.size() == static_cast<std::size_t>(classes) &&
         std::all_of(weights.begin(), weights.end(), [](float weight) {
           return std::isfinite(weight) && weight >= 0;
         });
}

bool AreIndices(const std::vector<int>& values, std::size_t end) {
  return std::all_of(values.begin(), values.end(), [end](int value) {
    return value >= 0 && static_cast<std::size_t>(value) < end;
  });
}

}  // namespace

absl::Status CheckOptions(const TrainerOptions& options,
                          const Network& network) {
  Violations found;
  found.Require(options.threads >= 1, "threads", "at least 1");
  const absl::StatusOr<DeviceName> device = ParseDeviceName(options.device);
  found.Require(device.ok(), "device", "cpu, cuda, cuda:N, fake or fake:N");
  CheckOptimizer(options.optimizer, found);
  const std::vector<bool>& trained = options.trained_parts;
  found.Require(trained.size() == PartNames(network).size(), "trained_parts",
                "one for each part of the network");
  found.Require(
      std::find(trained.begin(), trained.end(), true) != trained.end(),
      "trained_parts", "true for at least one part");
  found.RequireShare(options.label_smoothing, "label_smoothing");
  found.Require(
      options.class_weights.empty() ||
          AreClassWeights(options.class_weights, network.head.out_features),
      "class_weights",
      absl::StrCat("empty, or ", network.head.out_features,
                   " finite values of at least 0"));
  found.RequireSize(options.l2_sp, "l2_sp");
  found.RequireSize(options.clip_norm, "clip_norm");
  found.RequireShare(options.ema, "ema");
  found.RequireShare(options.stochastic_depth, "stochastic_depth");
  return found.ToStatus();
}

absl::Status CheckBatch(const TrainingBatch& batch, const BatchRules& rules) {
  const std::size_t examples = batch.pictures.size() + batch.features.size();
  if (!batch.features.empty() &&
      (!batch.pictures.empty() || !batch.partners.empty() ||
       !rules.has_frozen_beginning)) {
    return Invalid(
        "a batch of features has pictures or mixup, or the first part of the "
        "network is trained");
  }
  if (examples < rules.least_examples) {
    return Invalid(absl::StrCat(
        "a batch has ", examples, " examples, at least ", rules.least_examples,
        " are needed",
        rules.least_examples > 1 ? " for the statistics of batch norms" : ""));
  }
  if (batch.labels.size() != examples ||
      !AreIndices(batch.labels, static_cast<std::size_t>(rules.classes))) {
    return Invalid(absl::StrCat(
        "a batch of ", examples, " examples has ", batch.labels.size(),
        " labels, or one that is not in 0 to ", rules.classes - 1));
  }
  const bool mixed = !batch.partners.empty();
  if (mixed && (batch.partners.size() != examples ||
                !AreIndices(batch.partners, examples) ||
                !(batch.mix >= 0 && batch.mix <= 1))) {
    return Invalid(absl::StrCat("the mixup of a batch of ", examples,
                                " pictures needs as many partners of it and a "
                                "mix from 0 to 1"));
  }
  return absl::OkStatus();
}

absl::Status CheckRates(absl::Span<const double> rates,
                        const std::vector<bool>& trained_parts) {
  if (rates.size() != trained_parts.size()) {
    return Invalid(absl::StrCat("a step has ", rates.size(),
                                " learning rates for ", trained_parts.size(),
                                " parts"));
  }
  for (std::size_t part = 0; part < rates.size(); ++part) {
    if (trained_parts[part] &&
        !(std::isfinite(rates[part]) && rates[part] >= 0)) {
      return Invalid(absl::StrCat("the learning rate of part ", part,
                                  " is not a finite number of at least 0"));
    }
  }
  return absl::OkStatus();
}

}  // namespace resnetd
