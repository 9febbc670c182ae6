// What a model that serves costs, as the system counts it: in a process of its
// own, with a processor's own allocator.
#include <malloc.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/base/thread.h"
#include "server/engine/calibrator.h"
#include "server/engine/cpu_model.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/image/pixels.h"
#include "server/models/architecture.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

// Resident, of this process, without what the allocator only keeps.
std::int64_t ResidentBytes() {
  malloc_trim(0);
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    if (word == "VmRSS:") {
      std::int64_t kibibytes = 0;
      file >> kibibytes;
      return kibibytes * 1024;
    }
  }
  return 0;
}

class CpuModelMemoryTest : public testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "AddressSanitizer keeps what is freed";
#endif
  }

  // Null: this processor has no such arithmetic.
  std::unique_ptr<CpuModel> Load(const ModelPackage& package,
                                 std::size_t max_batch) {
    const PreprocessSpec& preprocess = package.facts.preprocess;
    CpuNetwork network =
        NetworkOf(BuildProgram(package.network, preprocess.crop),
                  package.weights, preprocess);
    network.precision = GetParam();
    if (GetParam() == Precision::kInt8) {
      network.calibration = CalibrationOf(package);
    }
    auto model = CpuModel::Load(engine_, std::move(network), max_batch, 1);
    if (!model.ok()) {
      EXPECT_EQ(GetParam(), Precision::kBfloat16) << model.status();
      return nullptr;
    }
    return *std::move(model);
  }

  Calibration CalibrationOf(const ModelPackage& package) {
    const int crop = package.facts.preprocess.crop;
    const Pixels picture = FillPicture(crop, crop);
    const auto reference = CpuModel::Load(engine_, package, 1, 1);
    return CalibrationsOf(**reference, {&picture})->front();
  }

  static void Run(const CpuModel& model, const Pixels& picture,
                  std::size_t batch, int batches) {
    const std::vector<const Pixels*> pictures(batch, &picture);
    int failed = 0;
    for (int i = 0; i < batches; ++i) {
      failed += model.Logits(pictures).ok() ? 0 : 1;
    }
    EXPECT_EQ(failed, 0);
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
};

INSTANTIATE_TEST_SUITE_P(All, CpuModelMemoryTest,
                         testing::Values(Precision::kFloat32,
                                         Precision::kBfloat16,
                                         Precision::kInt8),
                         [](const auto& row) {
                           return std::string(PrecisionName(row.param));
                         });

// Of every size, by two callers. Sixteen bytes a batch would show, and in the
// short form sixty-four.
TEST_P(CpuModelMemoryTest, DoesNotGrowBatchByBatch) {
  constexpr std::int64_t kMost = std::int64_t{1} << 20;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread yet
  const bool is_long = std::getenv("RESNETD_TEST_LONG") != nullptr;
  const int batches_run = is_long ? 100'000 : 25'000;
  constexpr std::size_t kLargest = 4;
  const auto model = Load(FilledPackage("cifar_resnet8", 10, 8), kLargest);
  if (model == nullptr) {
    GTEST_SKIP() << "this processor has no such arithmetic";
  }
  const Pixels picture = FillPicture(8, 8);
  const auto run = [&](int batches) {
    std::vector<Thread> callers;
    for (std::size_t caller = 0; caller < 2; ++caller) {
      callers.emplace_back(absl::StrCat("caller-", caller), [&, caller] {
        for (std::size_t batch = 1 + caller; batch <= kLargest; batch += 2) {
          Run(*model, picture, batch, batches / 4);
        }
      });
    }
    for (Thread& caller : callers) {
      caller.Join();
    }
  };
  run(1'000);
  const std::int64_t held = model->resident_bytes();
  const std::int64_t before = ResidentBytes();
  ASSERT_GT(before, held);
  run(batches_run);
  EXPECT_LE(ResidentBytes() - before, kMost);
  EXPECT_EQ(model->resident_bytes(), held);
}

TEST_P(CpuModelMemoryTest, OneMoreResNet50TakesAtMostTwiceItsWeights) {
  const ModelPackage package = FilledPackage("resnet50");
  const Pixels picture = FillPicture(224, 224);
  const auto load = [&] {
    auto model = Load(package, 4);
    if (model != nullptr) {
      Run(*model, picture, 4, 1);
      Run(*model, picture, 1, 1);
    }
    return model;
  };
  const auto first = load();
  if (first == nullptr) {
    GTEST_SKIP() << "this processor has no such arithmetic";
  }
  const std::int64_t before = ResidentBytes();
  const auto second = load();
  const std::int64_t taken = ResidentBytes() - before;
  const std::int64_t weights = ParameterCount(package.network) *
                               (GetParam() == Precision::kFloat32    ? 4
                                : GetParam() == Precision::kBfloat16 ? 2
                                                                     : 1);
  EXPECT_LE(taken, 2 * weights);
  EXPECT_GE(taken, weights * 9 / 10) << "the weights are not in it";
  // What the books of --max-model-bytes say of it.
  EXPECT_LE(second->resident_bytes(), 2 * weights);
  EXPECT_GE(second->resident_bytes(), taken * 3 / 4);
}

}  // namespace
}  // namespace resnetd
