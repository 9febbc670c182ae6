// What it costs to watch the gradients of a training: ResNet-50 on one thread.
//
//   gradients_bench [BATCH [SIDE [ROUNDS]]]      (8 128 6)
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
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
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

class Bench {
 public:
  Bench(int batch, int side)
      : package_(FilledPackage("resnet50", kClasses, side)) {
    TrainerOptions options;
    const std::size_t parts = PartNames(package_.network).size();
    options.trained_parts.assign(parts, true);
    options.optimizer.weight_decay = 1e-4;
    settings_.rates.assign(parts, kRate);
    factory_ = TorchTrainerFactory::Create().value();
    trainer_ = factory_
                   ->Create(options, package_.network, package_.weights,
                            package_.facts.preprocess)
                   .value();
    for (int i = 0; i < batch; ++i) {
      pictures_.push_back(FillPicture(side, side, i));
      batch_.labels.push_back(i % kClasses);
    }
    for (const Pixels& picture : pictures_) {
      batch_.pictures.push_back(&picture);
    }
  }

  // Seconds of CPU of one step.
  double Step(const std::optional<Observation>& observation) {
    settings_.observe = observation;
    const std::clock_t started = std::clock();
    const StepReport report = trainer_->Step({&batch_, 1}, settings_).value();
    const std::clock_t ended = std::clock();
    if (!report.is_finite || report.sample.has_value() != !!observation) {
      std::cerr << "a step is not what it should be\n";
      std::exit(1);  // NOLINT(concurrency-mt-unsafe): no other thread of ours.
    }
    last_ = *report.phases;
    return static_cast<double>(ended - started) / CLOCKS_PER_SEC;
  }

  // Of the last step.
  const StepPhases& phases() const { return last_; }

 private:
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

void Run(int batch, int side, int rounds) {
  Bench bench(batch, side);
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
  std::cout << "resnet50, batches of " << batch << " pictures of " << side
            << "x" << side << ", " << rounds << " rounds; a step takes "
            << std::setprecision(3) << seconds
            << " s of CPU, and more when observed:\n";
  Print("every tenth step", tenth_overheads);
  Print("every step", every_overheads);
  Print("one step with the noise", noise_overheads);
  for (double& overhead : noise_overheads) {
    overhead /= kNoiseSpacing;
  }
  Print("the noise, by default", noise_overheads);
  plain_phases.Print("not observed");
  observed_phases.Print("observed");
}

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  const int batch = argc > 1 ? std::atoi(argv[1]) : 8;
  const int side = argc > 2 ? std::atoi(argv[2]) : 128;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 6;
  if (batch < 2 || side < 32 || rounds < 2 || argc > 4) {
    std::cerr << "usage: gradients_bench [BATCH [SIDE [ROUNDS]]]\n";
    return 2;
  }
  resnetd::Run(batch, side, rounds);
  return 0;
}
