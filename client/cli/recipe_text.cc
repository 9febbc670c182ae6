#include "client/cli/recipe_text.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/job_text.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

std::string PartName(std::size_t part, std::size_t parts) {
  return part == 0           ? "stem"
         : part + 1 == parts ? "head"
                             : absl::StrCat("layer", part);
}

// E.g. "layer4-head", or "all".
std::string TrainedParts(const client::TrainingPhase& phase) {
  const std::vector<bool>& trained = phase.trained_parts;
  const auto count = static_cast<std::size_t>(
      std::count(trained.begin(), trained.end(), true));
  if (count == trained.size()) {
    return "all parts";
  }
  const auto first = static_cast<std::size_t>(
      std::find(trained.begin(), trained.end(), true) - trained.begin());
  if (count == trained.size() - first) {
    return first + 1 == trained.size()
               ? "head"
               : absl::StrCat(PartName(first, trained.size()), " to head");
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < trained.size(); ++i) {
    if (trained[i]) {
      names.push_back(PartName(i, trained.size()));
    }
  }
  return absl::StrJoin(names, ", ");
}

std::string PhaseText(const client::TrainingPhase& phase) {
  double least = 0;
  double most = 0;
  for (std::size_t i = 0; i < phase.rates.size(); ++i) {
    if (i < phase.trained_parts.size() && phase.trained_parts[i]) {
      least = least == 0 ? phase.rates[i] : std::min(least, phase.rates[i]);
      most = std::max(most, phase.rates[i]);
    }
  }
  return absl::StrCat(
      FormatCount(phase.steps), " steps, ", TrainedParts(phase), ", rate ",
      least == most
          ? FormatNumber(most)
          : absl::StrCat(FormatNumber(least), " to ", FormatNumber(most)),
      phase.auto_rgn ? ", scaled by the gradients" : "",
      phase.plain ? ", pictures as for serving" : "");
}

std::string OptimizerText(const client::OptimizerSettings& optimizer) {
  const bool is_sgd = optimizer.kind == client::OptimizerKind::kSgd;
  return absl::StrCat(
      is_sgd ? absl::StrCat("SGD, momentum ", FormatNumber(optimizer.momentum),
                            optimizer.nesterov ? " (Nesterov)" : "")
             : absl::StrCat("AdamW, betas ", FormatNumber(optimizer.beta1),
                            " and ", FormatNumber(optimizer.beta2)),
      ", weight decay ", FormatNumber(optimizer.weight_decay));
}

// "name value" of those that are on.
std::string Regularisers(const client::Recipe& recipe) {
  std::vector<std::string> on;
  const auto add = [&on](const char* name, double value) {
    if (value > 0) {
      on.push_back(absl::StrCat(name, " ", FormatNumber(value)));
    }
  };
  add("label smoothing", recipe.label_smoothing);
  add("mixup", recipe.mixup);
  add("L2-SP", recipe.l2_sp);
  add("EMA", recipe.ema);
  add("clip", recipe.clip_norm);
  add("stochastic depth", recipe.stochastic_depth);
  return absl::StrJoin(on, ", ");
}

std::string AugmentationText(const client::AugmentationSettings& settings) {
  std::vector<std::string> on;
  if (settings.least_scale < 1) {
    on.push_back(absl::StrCat("crop from ", FormatShare(settings.least_scale),
                              " of the area"));
  }
  const auto add = [&on](const char* name, double value) {
    if (value > 0) {
      on.push_back(absl::StrCat(name, " ", FormatNumber(value)));
    }
  };
  add("flip", settings.flip);
  add("brightness", settings.brightness);
  add("contrast", settings.contrast);
  add("saturation", settings.saturation);
  return on.empty() ? "none" : absl::StrJoin(on, ", ");
}

}  // namespace

void AddRecipe(const client::Recipe& recipe, Table& table) {
  for (std::size_t i = 0; i < recipe.phases.size(); ++i) {
    table.AddRow({absl::StrCat("phase ", i + 1), PhaseText(recipe.phases[i])});
  }
  table.AddRow({"optimizer", OptimizerText(recipe.optimizer)});
  table.AddRow(
      {"batch",
       absl::StrCat(recipe.batch_size,
                    recipe.accumulation > 1
                        ? absl::StrCat(" in ", recipe.accumulation, " parts")
                        : "")});
  if (recipe.replay_share > 0) {
    table.AddRow({"replay", absl::StrCat(FormatShare(recipe.replay_share),
                                         " of each batch")});
  }
  if (recipe.precision == client::TrainingPrecision::kBf16) {
    table.AddRow({"precision", "BF16"});
  }
  if (const std::string text = Regularisers(recipe); !text.empty()) {
    table.AddRow({"regularisers", text});
  }
  table.AddRow({"augmentation", AugmentationText(recipe.augmentation)});
  table.AddRow(
      {"evaluates", absl::StrCat("every ", recipe.evaluate_every, " steps")});
  table.AddRow({"checkpoints",
                absl::StrCat("every ", recipe.checkpoint_every, " steps")});
  if (recipe.patience > 0) {
    table.AddRow({"stops early",
                  absl::StrCat("after ", recipe.patience,
                               " evaluations without a better one, from step ",
                               recipe.min_steps, " on")});
  }
  table.AddRow({"seed", absl::StrCat(recipe.seed)});
}

}  // namespace resnetd::cli
