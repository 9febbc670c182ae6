// What it costs to watch the gradients of a training: ResNet-50 on one thread.
//
//   gradients_bench [BATCH [SIDE [ROUNDS [DEVICE [fp32|bf16 [FILE]]]]]]
//       (8 128 6 cpu fp32)
//
// DEVICE: as resnetd --train-device has it; on another than the CPU the seconds
// are those of the clock. FILE: where the overheads of the rounds go, as JSON.
//
// A round has ten steps of each of three kinds, one after another in turn, so
// that whatever else the machine does meets all of them: not observed, every
// tenth one observed, every one observed. Printed is the CPU time of the
// process for each kind over that of steps that are not observed, with an
// interval for the mean over all rounds at 95 %; then the same for one step
// that also looks at the noise, as one step of a hundred does unless a job says
// otherwise, and what a step itself says that it spent on each phase.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/finetune/network_parts.h"
#include "server/nn/torch_trainer_factory.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

constexpr int kClasses = 1000;
// Too little to change anything, so that no step is unlike another.
constexpr double kRate = 1e-6;
constexpr int kStepsOfRound = 10;
// Of jobs: every tenth step is observed, every tenth of these with the noise.
constexpr int kNoiseSpacing = 100;

struct Arguments {
  int batch = 8;
  int side = 128;
  int rounds = 6;
  std::string device = "cpu";
  std::string precision = "fp32";
  std::string file = {};
};

// Of the processor, or of the clock where another device does the work.
double SecondsNow(bool of_processor) {
  if (of_processor) {
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  }
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class Bench {
 public:
  explicit Bench(const Arguments& arguments)
      : of_processor_(arguments.device == "cpu"),
        package_(FilledPackage("resnet50", kClasses, arguments.side)) {
    const int batch = arguments.batch;
    const int side = arguments.side;
    TrainerOptions options;
    const std::size_t parts = PartNames(package_.network).size();
    options.trained_parts.assign(parts, true);
    options.optimizer.weight_decay = 1e-4;
    options.device = arguments.device;
    options.precision = arguments.precision == "bf16"
                            ? TrainingPrecision::kBf16
                            : TrainingPrecision::kFp32;
    settings_.rates.assign(parts, kRate);
    factory_ = TorchTrainerFactory::Create().value();
    auto trainer = factory_->Create(options, package_.network, package_.weights,
                                    package_.facts.preprocess);
    if (!trainer.ok()) {
      std::cerr << "gradients_bench: " << trainer.status().message() << '\n';
      std::exit(1);  // NOLINT(concurrency-mt-unsafe): no other thread of ours.
    }
    trainer_ = *std::move(trainer);
    for (int i = 0; i < batch; ++i) {
      pictures_.push_back(FillPicture(side, side, i));
      batch_.labels.push_back(i % kClasses);
    }
    for (const Pixels& picture : pictures_) {
      batch_.pictures.push_back(&picture);
    }
  }

  // Seconds of one step.
  double Step(const std::optional<Observation>& observation) {
    settings_.observe = observation;
    const double started = SecondsNow(of_processor_);
    const StepReport report = trainer_->Step({&batch_, 1}, settings_).value();
    const double ended = SecondsNow(of_processor_);
    if (!report.is_finite || report.sample.has_value() != !!observation) {
      std::cerr << "a step is not what it should be\n";
      std::exit(1);  // NOLINT(concurrency-mt-unsafe): no other thread of ours.
    }
    last_ = *report.phases;
    return ended - started;
  }

  // Of the last step.
  const StepPhases& phases() const { return last_; }

 private:
  const bool of_processor_;
  const ModelPackage package_;
  std::unique_ptr<TrainerFactory> factory_;
  std::unique_ptr<Trainer> trainer_;
  std::vector<Pixels> pictures_;
  TrainingBatch batch_;
  StepSettings settings_;
  StepPhases last_;
};

// Means of the phases of some steps.
class PhaseMeans {
 public:
  void Add(const StepPhases& phases) {
    sum_.forward += phases.forward;
    sum_.backward += phases.backward;
    sum_.optimizer += phases.optimizer;
    sum_.probe += phases.probe;
    ++steps_;
  }

  void Print(const char* what) const {
    const auto milliseconds = [this](Duration sum) {
      return 1e3 * ToSeconds(sum) / steps_;
    };
    std::cout << std::setw(24) << what << std::fixed << std::setprecision(1)
              << "   ms: forward " << milliseconds(sum_.forward)
              << ", backward " << milliseconds(sum_.backward) << ", optimizer "
              << milliseconds(sum_.optimizer) << ", probe "
              << milliseconds(sum_.probe) << "\n";
  }

 private:
  StepPhases sum_;
  int steps_ = 0;
};

// Of Student's distribution, 97.5 %, for 1 degree of freedom and more.
double Quantile(std::size_t degrees) {
  constexpr std::array<double, 10> kTable = {12.71, 4.30, 3.18, 2.78, 2.57,
                                             2.45,  2.36, 2.31, 2.26, 2.23};
  return kTable[std::min(degrees, kTable.size()) - 1];
}

void Print(const char* what, const std::vector<double>& overheads) {
  double mean = 0;
  for (const double overhead : overheads) {
    mean += overhead / static_cast<double>(overheads.size());
  }
  double square = 0;
  for (const double overhead : overheads) {
    square += (overhead - mean) * (overhead - mean);
  }
  const std::size_t degrees = overheads.size() - 1;
  const double error = std::sqrt(square / static_cast<double>(degrees) /
                                 static_cast<double>(overheads.size())) *
                       Quantile(degrees);
  std::cout << std::setw(24) << what << std::showpos << std::fixed
            << std::setprecision(2) << std::setw(9) << 100 * mean << " %   ("
            << 100 * (mean - error) << " to " << 100 * (mean + error) << ")\n"
            << std::noshowpos;
}

void Run(const Arguments& arguments) {
  const int rounds = arguments.rounds;
  Bench bench(arguments);
  const Observation plain{.step = 1};
  const Observation noise{.step = 1, .noise = true};
  // What is measured once: libraries, memory.
  bench.Step({});
  bench.Step(noise);
  std::vector<double> tenth_overheads;
  std::vector<double> every_overheads;
  std::vector<double> noise_overheads;
  PhaseMeans plain_phases;
  PhaseMeans observed_phases;
  double seconds = 0;
  for (int round = 0; round < rounds; ++round) {
    double off = 0;
    double tenth = 0;
    double every = 0;
    for (int step = 0; step < kStepsOfRound; ++step) {
      off += bench.Step({});
      plain_phases.Add(bench.phases());
      tenth += bench.Step(step == 0 ? std::make_optional(plain) : std::nullopt);
      every += bench.Step(plain);
      observed_phases.Add(bench.phases());
    }
    const double of_step = off / kStepsOfRound;
    seconds += of_step / rounds;
    tenth_overheads.push_back(tenth / off - 1);
    every_overheads.push_back(every / off - 1);
    noise_overheads.push_back(bench.Step(noise) / of_step - 1);
  }
  std::cout << "resnet50, batches of " << arguments.batch << " pictures of "
            << arguments.side << "x" << arguments.side << ", " << rounds
            << " rounds; a step takes " << std::setprecision(3) << seconds
            << (arguments.device == "cpu" ? " s of CPU" : " s")
            << ", and more when observed:\n";
  Print("every tenth step", tenth_overheads);
  Print("every step", every_overheads);
  Print("one step with the noise", noise_overheads);
  const nlohmann::json raw = {{"step_seconds", seconds},
                              {"every_tenth", tenth_overheads},
                              {"every", every_overheads},
                              {"noise", noise_overheads},
                              {"noise_spacing", kNoiseSpacing}};
  for (double& overhead : noise_overheads) {
    overhead /= kNoiseSpacing;
  }
  Print("the noise, by default", noise_overheads);
  plain_phases.Print("not observed");
  observed_phases.Print("observed");
  if (!arguments.file.empty()) {
    std::ofstream(arguments.file) << raw.dump() << '\n';
  }
}

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  resnetd::Arguments given;
  given.batch = argc > 1 ? std::atoi(argv[1]) : given.batch;
  given.side = argc > 2 ? std::atoi(argv[2]) : given.side;
  given.rounds = argc > 3 ? std::atoi(argv[3]) : given.rounds;
  given.device = argc > 4 ? argv[4] : given.device;
  given.precision = argc > 5 ? argv[5] : given.precision;
  given.file = argc > 6 ? argv[6] : given.file;
  if (given.batch < 2 || given.side < 32 || given.rounds < 2 || argc > 7 ||
      (given.precision != "fp32" && given.precision != "bf16")) {
    std::cerr << "usage: gradients_bench [BATCH [SIDE [ROUNDS [DEVICE "
                 "[fp32|bf16 [FILE]]]]]]\n";
    return 2;
  }
  resnetd::Run(given);
  return 0;
}
