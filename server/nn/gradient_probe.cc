#include "server/nn/gradient_probe.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/finetune/network_parts.h"
#include "server/finetune/probe_cost.h"
#include "server/finetune/random.h"
#include "server/nn/torch_status.h"
#include "server/nn/torch_threads.h"
#include "server/nn/trained_tensors.h"
#include "server/nn/trainer_checks.h"

namespace resnetd {
namespace {

// Of a shift of length 1 along the gradient, tried in turn. The differences are
// off by its square, by the rounding of the loss over it, and by far where it
// crosses the bend of a ReLU, which a smaller one does more seldom.
constexpr std::array kShifts = {1e-4, 1e-5, 1e-6};
// An error that needs no smaller shift.
constexpr double kSmallError = 1e-7;

// Nobody wants the rest. Passes through LibTorch, never past the module's door.
class Ended final : public std::exception {
 public:
  explicit Ended(absl::Status why) : why_(std::move(why)) {}
  const char* what() const noexcept override { return "ended between passes"; }
  const absl::Status& why() const { return why_; }

 private:
  absl::Status why_;
};

// Keeps what it sees.
class RecordingTap final : public WatchingTap {
 public:
  RecordingTap() : WatchingTap(/*watches_sum=*/true) {}
  void TakeOutputs(const at::Tensor& main,
                   const at::Tensor& shortcut) override {
    main_output_ = main.detach().norm().item<double>();
    shortcut_output_ = shortcut.detach().norm().item<double>();
  }
  const at::Tensor& at(Place place) const {
    return gradients_[static_cast<std::size_t>(place)];
  }
  double NormAt(Place place) const { return at(place).norm().item<double>(); }
  double main_output() const { return main_output_; }
  double shortcut_output() const { return shortcut_output_; }

 private:
  void TakeGradient(Place place, const at::Tensor& gradient) override {
    gradients_[static_cast<std::size_t>(place)] = gradient.detach().clone();
  }

  std::array<at::Tensor, 4> gradients_;
  double main_output_ = 0;
  double shortcut_output_ = 0;
};

// Looks at nothing.
class SteeringTap : public BlockTap {
 public:
  void TakeOutputs(const at::Tensor& /*main*/,
                   const at::Tensor& /*shortcut*/) override {}
  void TakeSum(const at::Tensor& /*sum*/) override {}
};

// Adds to what one path reads.
class ShiftingTap final : public SteeringTap {
 public:
  ShiftingTap(WatchingTap::Place path, at::Tensor shift)
      : path_(path), shift_(std::move(shift)) {}
  Fork Split(const at::Tensor& input) override {
    const bool is_main = path_ == WatchingTap::Place::kMain;
    return {is_main ? input.add(shift_) : input,
            is_main ? input : input.add(shift_)};
  }

 private:
  const WatchingTap::Place path_;
  const at::Tensor shift_;
};

// Lets gradients pass back by some paths alone; no value changes.
class CuttingTap final : public SteeringTap {
 public:
  CuttingTap(bool keeps_main, bool keeps_shortcut, bool is_first)
      : keeps_main_(keeps_main),
        keeps_shortcut_(keeps_shortcut),
        is_first_(is_first) {}
  Fork Split(const at::Tensor& input) override {
    end_ = is_first_ ? input.detach().set_requires_grad(true) : input;
    return {keeps_main_ ? end_ : end_.detach(),
            keeps_shortcut_ ? end_ : end_.detach()};
  }
  // What both paths read; of the first block it ends the way of the gradients.
  const at::Tensor& end() const { return end_; }

 private:
  const bool keeps_main_;
  const bool keeps_shortcut_;
  const bool is_first_;
  at::Tensor end_;
};

double RelativeError(double value, double expected) {
  const double difference = std::fabs(value - expected);
  return difference == 0 ? 0 : difference / std::fabs(expected);
}

double RelativeError(const at::Tensor& value, const at::Tensor& expected) {
  const double difference = value.sub(expected).norm().item<double>();
  return difference == 0 ? 0 : difference / expected.norm().item<double>();
}

// `k` of `n` at random.
std::vector<bool> Chosen(std::size_t n, std::size_t k, RandomStream& random) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<bool> chosen(n);
  for (std::size_t i = 0; i < k; ++i) {
    std::swap(order[i], order[i + random.Below(n - i)]);
    chosen[order[i]] = true;
  }
  return chosen;
}

absl::Status CheckProbe(const TrainingBatch& batch,
                        const ProbeSettings& settings, int classes) {
  const auto invalid = [](absl::string_view text) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRecipeInvalid,
                 text);
  };
  if (settings.threads < 1 || settings.path_passes < 0) {
    return invalid("a probe needs at least 1 thread and 0 passes for paths");
  }
  if (!batch.features.empty() || !batch.partners.empty()) {
    return invalid("a probe takes pictures, neither features nor mixup");
  }
  return CheckBatch(batch,
                    {.classes = classes,
                     .least_examples = settings.batch_statistics ? 2U : 1U,
                     .has_frozen_beginning = false});
}

}  // namespace

class GradientProbe::Pace {
 public:
  Pace(const ProbeGoOn& go_on, std::int64_t all)
      : go_on_(go_on), progress_{.all = all} {}

  // A pass of `work` begins now; throws Ended.
  void Begin(std::int64_t work) {
    if (go_on_) {
      if (absl::Status status = go_on_(progress_); !status.ok()) {
        throw Ended(std::move(status));
      }
    }
    progress_.done += work;
  }

 private:
  const ProbeGoOn& go_on_;
  ProbeProgress progress_;
};

class GradientProbe::Pass {
 public:
  Pass(const GradientProbe& probe, const TrainingBatch& batch,
       const ProbeSettings& settings, Pace& pace)
      : probe_(probe),
        batch_(batch),
        pace_(pace),
        input_(probe.input_.Of(absl::MakeConstSpan(batch.pictures))) {
    if (settings.batch_statistics) {
      const std::size_t parts = PartNames(probe.spec_).size();
      pass_.norms.assign(parts, NormMode{.batch_share = 0});
    }
  }

  std::size_t blocks() const { return probe_.spec_.blocks.size(); }

  // The mean loss, for autograd.
  at::Tensor Loss(std::vector<BlockTap*> taps) const {
    pace_.Begin(c10::GradMode::is_enabled() ? kBackwardWork : kForwardWork);
    TrainingPass pass = pass_;
    pass.taps = std::move(taps);
    return probe_.loss_.Sum(probe_.network_.Forward(input_, pass), batch_)
        .div(static_cast<double>(batch_.labels.size()));
  }

  // With one tap alone.
  at::Tensor LossWith(std::size_t block, BlockTap& tap) const {
    std::vector<BlockTap*> taps(blocks(), nullptr);
    taps[block] = &tap;
    return Loss(std::move(taps));
  }

  // The gradient that comes back to the first block when each block lets it
  // pass by its main path alone, where `by_main`, or by its shortcut alone;
  // empty: by both everywhere.
  at::Tensor GradientBack(const std::vector<bool>& by_main) const {
    std::vector<CuttingTap> cuts;
    cuts.reserve(blocks());
    std::vector<BlockTap*> taps;
    for (std::size_t i = 0; i < blocks(); ++i) {
      const bool all = by_main.empty();
      cuts.emplace_back(all || by_main[i], all || !by_main[i], i == 0);
      taps.push_back(&cuts.back());
    }
    const at::Tensor loss = Loss(std::move(taps));
    const at::Tensor& end = cuts.front().end();
    const std::array<at::Tensor, 1> ends = {end};
    loss.backward({}, /*retain_graph=*/false, /*create_graph=*/false, ends);
    return end.grad();
  }

 private:
  const GradientProbe& probe_;
  const TrainingBatch& batch_;
  Pace& pace_;
  const at::Tensor input_;
  TrainingPass pass_;
};

absl::StatusOr<std::unique_ptr<GradientProbe>> GradientProbe::Create(
    const Network& network, const Weights& weights,
    const PreprocessSpec& preprocess) {
  using Created = absl::StatusOr<std::unique_ptr<GradientProbe>>;
  if (network.blocks.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRecipeInvalid,
                 "the network has no residual blocks to probe");
  }
  return TorchToStatus(
      "set up a probe",
      [&]() -> Created {
        // Not make_unique: the constructor is private.
        return std::unique_ptr<GradientProbe>(
            new GradientProbe(network, weights, preprocess));
      },
      TorchUse::kTraining);
}

GradientProbe::GradientProbe(const Network& network, const Weights& weights,
                             const PreprocessSpec& preprocess)
    : spec_(network),
      placement_(at::TensorOptions(at::kCPU).dtype(at::kDouble)),
      input_(preprocess, FeatureShape(), placement_),
      network_(network, weights, placement_),
      loss_(/*label_smoothing=*/0, /*class_weights=*/{}, placement_) {
  const std::vector<NamedTensor> state = network_.State();
  const std::vector<Parameter> all = TrainedParameters(
      network, state, std::vector<bool>(PartNames(network).size(), true));
  // They are in order of depth: behind the stem block by block.
  for (const ResidualBlock& block : network.blocks) {
    const auto first =
        std::find_if(all.begin(), all.end(), [&](const Parameter& parameter) {
          return absl::StartsWith(parameter.name,
                                  absl::StrCat(block.name, "."));
        });
    before_.push_back(static_cast<std::size_t>(first - all.begin()));
  }
  for (std::size_t i = 0; i < before_.back(); ++i) {
    parameters_.push_back(all[i].tensor);
  }
}

absl::StatusOr<ProbeReport> GradientProbe::Probe(const TrainingBatch& batch,
                                                 const ProbeSettings& settings,
                                                 const ProbeGoOn& go_on) const {
  RETURN_IF_ERROR(CheckProbe(batch, settings, spec_.head.out_features));
  RETURN_IF_ERROR(input_.Check(absl::MakeConstSpan(batch.pictures)));
  return TorchToStatus(
      "probe gradients",
      [&]() -> absl::StatusOr<ProbeReport> {
        UseThreads(settings.threads);
        Pace pace(go_on,
                  ProbeWork(static_cast<int>(spec_.blocks.size()), settings));
        try {
          return RunProbe(batch, settings, pace);
        } catch (const Ended& ended) {
          return ended.why();
        }
      },
      TorchUse::kTraining);
}

ProbeReport GradientProbe::RunProbe(const TrainingBatch& batch,
                                    const ProbeSettings& settings,
                                    Pace& pace) const {
  const c10::AutoGradMode recorded(true);
  const Pass pass(*this, batch, settings, pace);
  ProbeReport report{.examples = static_cast<int>(batch.labels.size())};
  std::vector<RecordingTap> recorded_taps(spec_.blocks.size());
  std::vector<BlockTap*> taps;
  taps.reserve(recorded_taps.size());
  for (RecordingTap& tap : recorded_taps) {
    taps.push_back(&tap);
  }
  const at::Tensor loss = pass.Loss(taps);
  report.loss = loss.item<double>();
  // To the stem, so that it comes by every block.
  loss.backward({}, /*retain_graph=*/false, /*create_graph=*/false,
                at::TensorList(parameters_).slice(0, 1));
  parameters_.front().mutable_grad().reset();
  const at::Tensor before_last =
      settings.split_parameters
          ? GradientBefore(pass, spec_.blocks.size() - 1, true, true)
          : at::Tensor();
  for (std::size_t i = 0; i < recorded_taps.size(); ++i) {
    const RecordingTap& tap = recorded_taps[i];
    ProbedBlock block{.shortcut_is_identity = !spec_.blocks[i].shortcut};
    block.paths = {.shortcut = tap.NormAt(WatchingTap::Place::kShortcut),
                   .main = tap.NormAt(WatchingTap::Place::kMain),
                   .input = tap.NormAt(WatchingTap::Place::kInput),
                   .sum = tap.NormAt(WatchingTap::Place::kSum)};
    const double product = block.paths.shortcut * block.paths.main;
    if (product > 0) {
      block.paths.cosine = tap.at(WatchingTap::Place::kMain)
                               .mul(tap.at(WatchingTap::Place::kShortcut))
                               .sum()
                               .item<double>() /
                           product;
    }
    if (tap.shortcut_output() > 0) {
      block.residual_ratio = tap.main_output() / tap.shortcut_output();
    }
    if (settings.check_differences) {
      block.differences = PathErrors{
          .main = Difference(pass, i, WatchingTap::Place::kMain,
                             tap.at(WatchingTap::Place::kMain)),
          .shortcut = Difference(pass, i, WatchingTap::Place::kShortcut,
                                 tap.at(WatchingTap::Place::kShortcut))};
    }
    if (settings.split_parameters) {
      block.parameters = Split(pass, i, before_last);
    }
    report.blocks.push_back(block);
  }
  if (settings.path_passes > 0) {
    report.distribution = Distribution(pass, settings);
  }
  return report;
}

double GradientProbe::Difference(const Pass& pass, std::size_t block,
                                 WatchingTap::Place path,
                                 const at::Tensor& gradient) {
  const c10::NoGradGuard unrecorded;
  const double norm = gradient.norm().item<double>();
  // Along the gradient the loss grows by its norm. Without one nothing may
  // change in any direction; one that is not 0 anywhere stands for all.
  const at::Tensor direction =
      norm > 0 ? gradient.div(norm) : gradient.add(1).div(gradient.numel());
  const auto loss_at = [&](double shift) {
    ShiftingTap tap(path, direction.mul(shift));
    return pass.LossWith(block, tap).item<double>();
  };
  double least = std::numeric_limits<double>::infinity();
  for (const double shift : kShifts) {
    least = std::min(
        least,
        RelativeError((loss_at(shift) - loss_at(-shift)) / (2 * shift), norm));
    if (least <= kSmallError) {
      break;
    }
  }
  return least;
}

at::Tensor GradientProbe::GradientBefore(const Pass& pass, std::size_t block,
                                         bool keeps_main,
                                         bool keeps_shortcut) const {
  CuttingTap tap(keeps_main, keeps_shortcut, /*is_first=*/false);
  const at::TensorList before =
      at::TensorList(parameters_).slice(0, before_[block]);
  pass.LossWith(block, tap)
      .backward({}, /*retain_graph=*/false, /*create_graph=*/false, before);
  std::vector<at::Tensor> rows;
  for (const at::Tensor& parameter : before) {
    at::Tensor& gradient = parameter.mutable_grad();
    rows.push_back(gradient.reshape({-1}));
    gradient.reset();
  }
  return at::cat(rows);
}

ParameterSplit GradientProbe::Split(const Pass& pass, std::size_t block,
                                    const at::Tensor& before_last) const {
  const at::Tensor by_main = GradientBefore(pass, block, true, false);
  const at::Tensor by_shortcut = GradientBefore(pass, block, false, true);
  const at::Tensor whole = before_last.narrow(0, 0, by_main.numel());
  return {.by_main = by_main.norm().item<double>(),
          .by_shortcut = by_shortcut.norm().item<double>(),
          .whole = whole.norm().item<double>(),
          .error = RelativeError(by_main.add(by_shortcut), whole)};
}

PathDistribution GradientProbe::Distribution(const Pass& pass,
                                             const ProbeSettings& settings) {
  const std::size_t blocks = pass.blocks();
  PathDistribution distribution;
  for (std::size_t length = 0; length <= blocks; ++length) {
    distribution.lengths.push_back(
        {.main_paths = static_cast<int>(length),
         .ways = WaysBack(static_cast<int>(blocks), static_cast<int>(length))});
  }
  const at::Tensor whole = pass.GradientBack({});
  at::Tensor sum = whole.detach().mul(0);
  const auto go = [&](const std::vector<bool>& by_main) {
    const at::Tensor gradient = pass.GradientBack(by_main);
    PathLength& length = distribution.lengths[static_cast<std::size_t>(
        std::count(by_main.begin(), by_main.end(), true))];
    // The sum for now.
    length.mean_norm += gradient.norm().item<double>();
    ++length.gone;
    sum.add_(gradient);
  };
  if (GoesAllWays(static_cast<int>(blocks), settings.path_passes)) {
    for (std::size_t set = 0; set < (std::size_t{1} << blocks); ++set) {
      std::vector<bool> by_main(blocks);
      for (std::size_t i = 0; i < blocks; ++i) {
        by_main[i] = (set >> i & 1U) != 0;
      }
      go(by_main);
    }
    distribution.error = RelativeError(sum, whole);
  } else {
    RandomStream random(settings.seed, RandomPurpose::kStep, 0, 0);
    const int of_length =
        PassesOfLength(static_cast<int>(blocks), settings.path_passes);
    for (std::size_t length = 0; length <= blocks; ++length) {
      const double ways = distribution.lengths[length].ways;
      for (int i = 0; i < of_length && i < ways; ++i) {
        go(Chosen(blocks, length, random));
      }
    }
  }
  for (PathLength& length : distribution.lengths) {
    length.mean_norm /= length.gone;
  }
  const double norm = whole.norm().item<double>();
  distribution.direct_share =
      norm > 0 ? distribution.lengths.front().mean_norm / norm : 0;
  return distribution;
}

}  // namespace resnetd
