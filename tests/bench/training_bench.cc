// One arm of training_bench.py: whole training steps of the server's trainer.
//
//   training_bench ARCHITECTURE BATCH SIDE STEPS FIRST_TRAINED_PART INPUT
//       fp32|bf16 [DEVICE]
//
// For each line on stdin it does STEPS steps on one thread and prints the
// images per second of CPU and the peak of resident memory in MiB. DEVICE: as
// resnetd --train-device has it; on another than the CPU the seconds are those
// of the clock. The parts
// before FIRST_TRAINED_PART are frozen. INPUT: "pictures"; "features", what the
// frozen parts make of them, computed once by the engine; or "engine", computed
// by the engine in each step.

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/cpu_features.h"
#include "server/engine/kernel_selftest.h"
#include "server/finetune/network_parts.h"
#include "server/nn/torch_trainer_factory.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

constexpr int kClasses = 1000;
// Too little to change anything, so that no step is unlike another.
constexpr double kRate = 1e-6;
// Pictures that the engine computes at once.
constexpr std::size_t kExtracted = 8;

struct Arguments {
  std::string architecture;
  int batch = 0;
  int side = 0;
  int steps = 0;
  std::size_t first_trained_part = 0;
  std::string input;
  TrainingPrecision precision = TrainingPrecision::kFp32;
  std::string device;
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

// Of this program alone: what getrusage() says begins with the memory of the
// process that started it.
double PeakMebibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmHWM:") {
      double kibibytes = 0;
      status >> kibibytes;
      return kibibytes / 1024;
    }
  }
  return 0;
}

class Bench {
 public:
  explicit Bench(const Arguments& arguments)
      : arguments_(arguments),
        package_(
            FilledPackage(arguments.architecture, kClasses, arguments.side)) {
    TrainerOptions options;
    const std::size_t parts = PartNames(package_.network).size();
    for (std::size_t part = 0; part < parts; ++part) {
      options.trained_parts.push_back(part >= arguments.first_trained_part);
    }
    options.optimizer.weight_decay = 1e-4;
    options.precision = arguments.precision;
    options.device = arguments.device;
    settings_.rates.assign(parts, kRate);
    factory_ = TorchTrainerFactory::Create().value();
    auto trainer = factory_->Create(options, package_.network, package_.weights,
                                    package_.facts.preprocess);
    if (!trainer.ok()) {
      std::cerr << "training_bench: " << trainer.status().message() << '\n';
      std::exit(1);  // NOLINT(concurrency-mt-unsafe): no other thread of ours.
    }
    trainer_ = *std::move(trainer);
    for (int i = 0; i < arguments.batch; ++i) {
      pictures_.push_back(FillPicture(arguments.side, arguments.side, i));
      batch_.labels.push_back(i % kClasses);
    }
    for (const Pixels& picture : pictures_) {
      batch_.pictures.push_back(&picture);
    }
    if (arguments.input != "pictures") {
      extractor_ =
          CreateCpuFeatureLoader({.threads = 1})
              .value()
              ->Load(package_.network, package_.weights,
                     package_.facts.preprocess,
                     static_cast<int>(arguments.first_trained_part) - 1,
                     kExtracted)
              .value();
      shown_ = std::move(batch_.pictures);
      batch_.pictures.clear();
      Extract();
    }
  }

  void Step() {
    if (arguments_.input == "engine") {
      Extract();
    }
    if (!trainer_->Step({&batch_, 1}, settings_).value().is_finite) {
      std::cerr << "a step is not finite\n";
      std::exit(1);  // NOLINT(concurrency-mt-unsafe): no other thread of ours.
    }
  }

  double ImagesPerSecond() {
    const bool of_processor = arguments_.device == "cpu";
    const double started = SecondsNow(of_processor);
    for (int i = 0; i < arguments_.steps; ++i) {
      Step();
    }
    return arguments_.steps * arguments_.batch /
           (SecondsNow(of_processor) - started);
  }

 private:
  // The features of all pictures, as the jobs compute them.
  void Extract() {
    features_.clear();
    batch_.features.clear();
    const absl::Span<const Pixels* const> all = shown_;
    for (std::size_t at = 0; at < all.size(); at += kExtracted) {
      const auto rows =
          extractor_->Features(all.subspan(at, kExtracted)).value();
      features_.insert(features_.end(), rows.begin(), rows.end());
    }
    const std::size_t values = extractor_->shape().values();
    for (std::size_t i = 0; i < all.size(); ++i) {
      batch_.features.emplace_back(features_.data() + i * values, values);
    }
  }

  const Arguments arguments_;
  const ModelPackage package_;
  std::unique_ptr<TrainerFactory> factory_;
  std::unique_ptr<Trainer> trainer_;
  std::vector<Pixels> pictures_;
  std::unique_ptr<FeatureExtractor> extractor_;
  std::vector<const Pixels*> shown_;
  std::vector<float> features_;
  TrainingBatch batch_;
  StepSettings settings_;
};

int Run(const Arguments& arguments) {
  Bench bench(arguments);
  bench.Step();
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << bench.ImagesPerSecond() << ' ' << PeakMebibytes() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  // Before anything else uses oneDNN.
  const auto kernels = resnetd::ProveKernels();
  if (!kernels.ok()) {
    std::cerr << kernels.status() << '\n';
    return 1;
  }
  const std::string precision = argc == 8 || argc == 9 ? argv[7] : "";
  if (precision != "fp32" && precision != "bf16") {
    std::cerr
        << "usage: training_bench ARCHITECTURE BATCH SIDE STEPS "
           "FIRST_TRAINED_PART pictures|features|engine fp32|bf16 [DEVICE]\n";
    return 2;
  }
  return resnetd::Run(
      {.architecture = argv[1],
       .batch = std::atoi(argv[2]),
       .side = std::atoi(argv[3]),
       .steps = std::atoi(argv[4]),
       .first_trained_part = static_cast<std::size_t>(std::atoi(argv[5])),
       .input = argv[6],
       .precision = precision == "bf16" ? resnetd::TrainingPrecision::kBf16
                                        : resnetd::TrainingPrecision::kFp32,
       .device = argc == 9 ? argv[8] : "cpu"});
}
