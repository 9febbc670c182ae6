// One arm of training_bench.py: whole training steps of the server's trainer.
//
//   training_bench ARCHITECTURE BATCH SIDE STEPS FIRST_TRAINED_PART
//
// For each line on stdin it does STEPS steps on one thread and prints the
// images per second of CPU. The parts before FIRST_TRAINED_PART are frozen.

#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "server/finetune/network_parts.h"
#include "server/nn/torch_trainer_factory.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

constexpr int kClasses = 1000;
// Too little to change anything, so that no step is unlike another.
constexpr double kRate = 1e-6;

struct Arguments {
  std::string architecture;
  int batch = 0;
  int side = 0;
  int steps = 0;
  std::size_t first_trained_part = 0;
};

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
    settings_.rates.assign(parts, kRate);
    factory_ = TorchTrainerFactory::Create().value();
    trainer_ = factory_
                   ->Create(options, package_.network, package_.weights,
                            package_.facts.preprocess)
                   .value();
    for (int i = 0; i < arguments.batch; ++i) {
      pictures_.push_back(FillPicture(arguments.side, arguments.side, i));
      batch_.labels.push_back(i % kClasses);
    }
    for (const Pixels& picture : pictures_) {
      batch_.pictures.push_back(&picture);
    }
  }

  void Step() {
    if (!trainer_->Step({&batch_, 1}, settings_).value().is_finite) {
      std::cerr << "a step is not finite\n";
      std::exit(1);  // NOLINT(concurrency-mt-unsafe): no other thread of ours.
    }
  }

  double ImagesPerSecond() {
    const std::clock_t started = std::clock();
    for (int i = 0; i < arguments_.steps; ++i) {
      Step();
    }
    const double seconds =
        static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
    return arguments_.steps * arguments_.batch / seconds;
  }

 private:
  const Arguments arguments_;
  const ModelPackage package_;
  std::unique_ptr<TrainerFactory> factory_;
  std::unique_ptr<Trainer> trainer_;
  std::vector<Pixels> pictures_;
  TrainingBatch batch_;
  StepSettings settings_;
};

int Run(const Arguments& arguments) {
  Bench bench(arguments);
  bench.Step();
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << bench.ImagesPerSecond() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "usage: training_bench ARCHITECTURE BATCH SIDE STEPS "
                 "FIRST_TRAINED_PART\n";
    return 2;
  }
  return resnetd::Run(
      {.architecture = argv[1],
       .batch = std::atoi(argv[2]),
       .side = std::atoi(argv[3]),
       .steps = std::atoi(argv[4]),
       .first_trained_part = static_cast<std::size_t>(std::atoi(argv[5]))});
}
