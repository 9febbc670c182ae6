#include "server/finetune/version_prober.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/suggest.h"
#include "server/base/thread.h"
#include "server/base/thread_priority.h"
#include "server/base/violations.h"
#include "server/finetune/network_parts.h"
#include "server/finetune/one_at_a_time.h"
#include "server/finetune/probe_cost.h"
#include "server/image/preprocess.h"
#include "server/models/stored_version.h"

namespace resnetd {
namespace {

absl::Status Cancelled() {
  return Error(absl::StatusCode::kCancelled, Reason::kCancelled,
               "the probe was cancelled");
}

std::string Seconds(Duration duration) {
  return absl::StrCat(std::chrono::ceil<std::chrono::seconds>(duration).count(),
                      " s");
}

absl::Status Unreachable(Duration predicted, Duration left) {
  return Error(absl::StatusCode::kDeadlineExceeded,
               Reason::kDeadlineUnreachable,
               absl::StrCat("by its first pass the probe takes ",
                            Seconds(predicted), " more, and ",
                            Seconds(std::max(left, Duration::zero())),
                            " are left: send fewer pictures, ask for less, or "
                            "allow more time"))
      .Metadata(
          "predicted_ms",
          absl::StrCat(
              std::chrono::ceil<std::chrono::milliseconds>(predicted).count()));
}

absl::Status CheckSettings(const ProbeLimits& limits,
                           const ProbeSettings& settings) {
  if (settings.path_passes >= 0 &&
      settings.path_passes <= limits.max_path_passes) {
    return absl::OkStatus();
  }
  const std::string text =
      absl::StrCat("path_passes ", settings.path_passes, " is not in 0 to ",
                   limits.max_path_passes);
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               text)
      .Violation("header.options.path_passes", text);
}

std::size_t LeastExamples(const ProbeSettings& settings) {
  return settings.batch_statistics ? 2 : 1;
}

absl::Status TooFew(std::size_t examples, std::size_t least) {
  const std::string text =
      examples == 0 ? "no examples: a probe needs labelled pictures, at least 1"
                    : absl::StrCat(examples,
                                   " example, and batch norms that use the "
                                   "statistics of the batch need at least ",
                                   least);
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               text)
      .Violation("examples", text);
}

// The class of each example.
absl::StatusOr<std::vector<int>> ClassesOf(
    const VersionFacts& version, absl::Span<const ProbeExample> examples) {
  Violations violations;
  std::vector<int> classes;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const std::string& label = examples[i].label;
    const auto found =
        std::find(version.labels.begin(), version.labels.end(), label);
    if (found == version.labels.end()) {
      const std::string field = absl::StrCat("examples[", i, "].label");
      violations.Add(field,
                     absl::StrCat(field, " ", Quoted(label), " is no label of ",
                                  ResourceName(version.name, version.version),
                                  DidYouMean(label, version.labels)));
    }
    classes.push_back(static_cast<int>(found - version.labels.begin()));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return classes;
}

// One probe, from the pictures on.
class Run {
 public:
  Run(const VersionProberOptions& options, Store& store, const Clock& clock,
      const ProbeTarget& target, SteadyTime deadline,
      const VersionProber::GoOn& go_on)
      : options_(options),
        store_(store),
        clock_(clock),
        target_(target),
        deadline_(deadline),
        go_on_(go_on) {}

  // All of it, in a thread of lowest priority.
  absl::StatusOr<Probed> Finish(Prober& prober, const VersionRow& row,
                                absl::Span<const ProbeExample> examples,
                                std::vector<int> classes) {
    absl::StatusOr<Probed> probed = absl::UnknownError("");
    Thread thread("probe-0", [&] {
      if (options_.gives_way && !RunOnlyWhenIdle()) {
        Log(LogLevel::kWarning,
            "the system does not let probes run at the lowest priority: they "
            "will slow serving down");
      }
      probed = Work(prober, row, examples, std::move(classes));
    });
    thread.Join();
    return probed;
  }

 private:
  absl::StatusOr<Probed> Work(Prober& prober, const VersionRow& row,
                              absl::Span<const ProbeExample> examples,
                              std::vector<int> classes) {
    ASSIGN_OR_RETURN(const StoredVersion stored,
                     ReadStoredVersion(store_, row));
    const ModelPackage& package = stored.package;
    ASSIGN_OR_RETURN(const std::vector<Pixels> pictures,
                     Decode(examples, package.facts.preprocess));
    TrainingBatch batch;
    batch.labels = std::move(classes);
    for (const Pixels& picture : pictures) {
      batch.pictures.push_back(&picture);
    }
    ProbeSettings settings = target_.settings;
    settings.threads = options_.threads;
    began_ = clock_.Now();
    Probed probed;
    probed.version = std::make_shared<const VersionFacts>(package.facts);
    probed.blocks = BlockLabels(package.network);
    ASSIGN_OR_RETURN(
        probed.report,
        prober.Probe(package.network, package.weights, package.facts.preprocess,
                     batch, settings, [this](const ProbeProgress& progress) {
                       return Ask(progress);
                     }));
    probed.took = clock_.Now() - began_;
    return probed;
  }

  // One by one: the threads that would help have no low priority.
  absl::StatusOr<std::vector<Pixels>> Decode(
      absl::Span<const ProbeExample> examples,
      const PreprocessSpec& preprocess) const {
    std::vector<Pixels> pictures;
    for (std::size_t i = 0; i < examples.size(); ++i) {
      if (!go_on_()) {
        return Cancelled();
      }
      const absl::StatusOr<Pixels> picture =
          DecodeImage(AsBytes(examples[i].image), options_.decode);
      if (!picture.ok()) {
        const std::string field = absl::StrCat("examples[", i, "].image");
        return Annotate(picture.status(), absl::StrCat(field, ": "), field);
      }
      pictures.push_back(ResizeAndCrop(*picture, preprocess));
    }
    return pictures;
  }

  // Between passes.
  absl::Status Ask(const ProbeProgress& progress) const {
    if (!go_on_()) {
      return Cancelled();
    }
    if (deadline_ == kNoDeadline || progress.done == 0) {
      return absl::OkStatus();
    }
    const SteadyTime now = clock_.Now();
    const double left = static_cast<double>(progress.all - progress.done);
    const auto predicted = Duration(
        static_cast<Duration::rep>(static_cast<double>((now - began_).count()) *
                                   left / static_cast<double>(progress.done)));
    return now + predicted <= deadline_
               ? absl::OkStatus()
               : Unreachable(predicted, deadline_ - now);
  }

  const VersionProberOptions& options_;
  Store& store_;
  const Clock& clock_;
  const ProbeTarget& target_;
  const SteadyTime deadline_;
  const VersionProber::GoOn& go_on_;
  SteadyTime began_{};
};

class Impl final : public VersionProber {
 public:
  Impl(const VersionProberOptions& options, Store& store, ModelManager& models,
       ProberSource probers, const Clock& clock)
      : options_(options),
        store_(store),
        models_(models),
        probers_(std::move(probers)),
        clock_(clock) {}

  const ProbeLimits& limits() const override { return options_.limits; }

  absl::Status Check(const ProbeTarget& target) override {
    RETURN_IF_ERROR(CheckSettings(options_.limits, target.settings));
    ASSIGN_OR_RETURN(const VersionView view, ViewOf(target));
    RETURN_IF_ERROR(CheckProbeCost(
        BuildNetwork(view.facts->architecture), view.facts->preprocess.crop,
        static_cast<int>(LeastExamples(target.settings)), target.settings));
    return probers_().status();
  }

  absl::StatusOr<Probed> Probe(const ProbeTarget& target,
                               absl::Span<const ProbeExample> examples,
                               SteadyTime deadline, const GoOn& go_on) override;

 private:
  absl::StatusOr<VersionView> ViewOf(const ProbeTarget& target) {
    ASSIGN_OR_RETURN(VersionView view,
                     models_.GetVersion(target.model, target.version));
    // Without its manifest there are no labels.
    RETURN_IF_ERROR(view.failure.code() == absl::StatusCode::kDataLoss
                        ? view.failure
                        : absl::OkStatus());
    return view;
  }

  const VersionProberOptions options_;
  Store& store_;
  ModelManager& models_;
  const ProberSource probers_;
  const Clock& clock_;
  std::atomic<bool> busy_{false};
};

absl::StatusOr<Probed> Impl::Probe(const ProbeTarget& target,
                                   absl::Span<const ProbeExample> examples,
                                   SteadyTime deadline, const GoOn& go_on) {
  const ProbeSettings& settings = target.settings;
  RETURN_IF_ERROR(CheckSettings(options_.limits, settings));
  std::size_t bytes = 0;
  for (const ProbeExample& example : examples) {
    bytes += example.image.size();
  }
  RETURN_IF_ERROR(CheckProbeSize(options_.limits, examples.size(), bytes));
  if (examples.size() < LeastExamples(settings)) {
    return TooFew(examples.size(), LeastExamples(settings));
  }
  ASSIGN_OR_RETURN(const VersionView view, ViewOf(target));
  ASSIGN_OR_RETURN(std::vector<int> classes, ClassesOf(*view.facts, examples));
  const Network network = BuildNetwork(view.facts->architecture);
  const int count = static_cast<int>(examples.size());
  const int side = view.facts->preprocess.crop;
  RETURN_IF_ERROR(CheckProbeCost(network, side, count, settings));
  ASSIGN_OR_RETURN(Prober * prober, probers_());
  const OneAtATime turn(busy_);
  RETURN_IF_ERROR(turn.status("probe"));
  RETURN_IF_ERROR(
      CheckProbeMemory(EstimateProbeMemory(network, side, count, settings),
                       options_.memory().free));
  return Run(options_, store_, clock_, target, deadline, go_on)
      .Finish(*prober, view.row, examples, std::move(classes));
}

absl::Status TooMuch(absl::string_view limit_name, std::size_t limit,
                     std::size_t value, const std::string& text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded, text)
      .Metadata("limit_name", limit_name)
      .Metadata("limit", absl::StrCat(limit))
      .Metadata("value", absl::StrCat(value))
      .Violation("examples", text);
}

}  // namespace

absl::Status CheckProbeSize(const ProbeLimits& limits, std::size_t examples,
                            std::size_t bytes) {
  if (examples > limits.max_examples) {
    return TooMuch("probe-examples", limits.max_examples, examples,
                   absl::StrCat(examples, " examples, a probe takes at most ",
                                limits.max_examples));
  }
  if (bytes > limits.max_bytes) {
    return TooMuch(
        "probe-bytes", limits.max_bytes, bytes,
        absl::StrCat("the pictures have ", bytes,
                     " bytes, a probe takes at most ", limits.max_bytes));
  }
  return absl::OkStatus();
}

std::unique_ptr<VersionProber> VersionProber::Create(
    const VersionProberOptions& options, Store& store, ModelManager& models,
    ProberSource probers, const Clock& clock) {
  return std::make_unique<Impl>(options, store, models, std::move(probers),
                                clock);
}

}  // namespace resnetd
