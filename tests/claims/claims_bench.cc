// Prints the numbers behind the claims of docs/gradients.md, on real digits:
//
//   claims_bench [SEEDS [depth|noise|training]]      (3, all)

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/claims/labs.h"

namespace resnetd {
namespace {

std::string NameOf(const LabSpec& spec) {
  return absl::StrCat(spec.has_shortcuts ? "res-" : "plain-", LayersOf(spec),
                      spec.zero_residual ? " zero gamma" : "");
}

class Bench {
 public:
  Bench(const Digits& digits, int seeds) : digits_(digits), seeds_(seeds) {}

  void DepthRatios() const {
    std::cout << "\ndepth ratio when training begins, with batch norm\n";
    for (const int n : {3, 9, 18}) {
      PrintRatios({.stage_blocks = n});
      PrintRatios({.stage_blocks = n, .zero_residual = true});
      PrintRatios({.stage_blocks = n, .has_shortcuts = false});
    }
    std::cout << "\nwithout batch norm, weights times 0.5, 0.7, 1, 1.4, 2\n";
    for (const int n : {3, 9}) {
      for (const bool has_shortcuts : {false, true}) {
        for (int seed = 0; seed < seeds_; ++seed) {
          LabSpec spec{.stage_blocks = n,
                       .has_shortcuts = has_shortcuts,
                       .has_norms = false,
                       .seed = seed};
          std::cout << std::left << std::setw(18) << NameOf(spec);
          for (const double gain : {0.5, 0.7, 1.0, 1.4, 2.0}) {
            spec.gain = gain;
            std::cout << absl::StrFormat("%10.2g",
                                         FirstDepthRatio(spec, digits_));
          }
          std::cout << '\n';
        }
      }
    }
  }

  void Snr() const {
    std::cout << "\nsignal-to-noise ratio of 64 digits when training begins: "
                 "stem, first, middle and last block\n";
    for (const int n : {1, 3, 9}) {
      PrintSnr({.stage_blocks = n});
      PrintSnr({.stage_blocks = n, .zero_residual = true});
      PrintSnr({.stage_blocks = n, .has_shortcuts = false});
    }
  }

  void Degradation() const {
    std::cout << "\nten epochs: loss of the last one, accuracy on the held-out "
                 "digits, seconds\n";
    for (const double rate : {0.1, 0.02}) {
      for (const int n : {3, 9}) {
        PrintTraining({.stage_blocks = n}, rate);
        PrintTraining({.stage_blocks = n, .zero_residual = true}, rate);
        PrintTraining({.stage_blocks = n, .has_shortcuts = false}, rate);
      }
    }
    PrintTraining({.stage_blocks = 18, .zero_residual = true}, 0.1);
  }

 private:
  void PrintRatios(LabSpec spec) const {
    std::cout << std::left << std::setw(18) << NameOf(spec);
    for (int seed = 0; seed < seeds_; ++seed) {
      spec.seed = seed;
      std::cout << absl::StrFormat("%10.3g", FirstDepthRatio(spec, digits_));
    }
    std::cout << std::endl;
  }

  void PrintSnr(LabSpec spec) const {
    for (int seed = 0; seed < seeds_; ++seed) {
      spec.seed = seed;
      const std::vector<double> snr = FirstSnr(spec, digits_);
      std::cout << std::left << std::setw(18) << NameOf(spec);
      for (const std::size_t at :
           {std::size_t{0}, std::size_t{1}, snr.size() / 2, snr.size() - 1}) {
        std::cout << absl::StrFormat("%9.3f", snr[at]);
      }
      std::cout << std::endl;
    }
  }

  void PrintTraining(LabSpec spec, double rate) const {
    for (int seed = 0; seed < seeds_; ++seed) {
      spec.seed = seed;
      GradientLab lab = NewLab(spec, at::kFloat, LabOptimizer());
      const auto begun = std::chrono::steady_clock::now();
      const TrainingCurve curve = TrainDigits(
          lab, digits_, 10, rate, static_cast<std::uint64_t>(seed) + 1);
      const std::chrono::duration<double> took =
          std::chrono::steady_clock::now() - begun;
      std::cout << std::left << std::setw(18) << NameOf(spec)
                << absl::StrFormat(" rate %-5g loss %7.4f   %5.1f %%   %5.1f s",
                                   rate, curve.last_loss, 100 * curve.accuracy,
                                   took.count())
                << std::endl;
    }
  }

  const Digits& digits_;
  const int seeds_;
};

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  const int seeds = argc > 1 ? std::atoi(argv[1]) : 3;
  const std::string what = argc > 2 ? argv[2] : "all";
  const resnetd::Digits digits =
      resnetd::ReadDigits(RESNETD_SOURCE_DIR "/data/digits");
  if (seeds < 1 || digits.train.empty()) {
    std::cerr << "usage: claims_bench [SEEDS [depth|noise|training]]\n";
    return 2;
  }
  const resnetd::Bench bench(digits, seeds);
  if (what == "depth" || what == "all") {
    bench.DepthRatios();
  }
  if (what == "noise" || what == "all") {
    bench.Snr();
  }
  if (what == "training" || what == "all") {
    bench.Degradation();
  }
  return 0;
}
