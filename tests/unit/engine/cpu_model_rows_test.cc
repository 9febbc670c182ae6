// Whether the answer to a picture depends on the pictures beside it.
#include <cstddef>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/engine/calibrator.h"
#include "server/engine/cpu_model.h"
#include "server/image/pixels.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

constexpr std::size_t kLargest = 5;

std::vector<const Pixels*> Pointers(const std::vector<Pixels>& pictures) {
  std::vector<const Pixels*> pointers;
  for (const Pixels& picture : pictures) {
    pointers.push_back(&picture);
  }
  return pointers;
}

using RowsCase = std::tuple<std::string, Precision, int>;

class CpuModelRowsTest : public testing::TestWithParam<RowsCase> {
 protected:
  // Null: this processor has no such arithmetic.
  std::unique_ptr<CpuModel> Load(const ModelPackage& package,
                                 const std::vector<const Pixels*>& pictures) {
    const auto& [name, precision, threads] = GetParam();
    auto reference = CpuModel::Load(engine_, package, kLargest, threads);
    EXPECT_TRUE(reference.ok()) << reference.status();
    if (precision == Precision::kFloat32) {
      return *std::move(reference);
    }
    CpuNetwork network = (*reference)->Network();
    network.precision = precision;
    if (precision == Precision::kInt8) {
      network.calibration =
          CalibrationsOf(**reference, pictures).value().front();
    }
    auto model = CpuModel::Load(engine_, std::move(network), kLargest, threads);
    return model.ok() ? *std::move(model) : nullptr;
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
};

constexpr auto kName = [](const auto& row) {
  return absl::StrCat(std::get<0>(row.param), "_",
                      PrecisionName(std::get<1>(row.param)), "_threads_",
                      std::get<2>(row.param));
};

INSTANTIATE_TEST_SUITE_P(
    Small, CpuModelRowsTest,
    testing::Combine(testing::Values("cifar_resnet8", "cifar_resnet20"),
                     testing::Values(Precision::kFloat32, Precision::kInt8),
                     testing::Values(1, 2)),
    kName);
INSTANTIATE_TEST_SUITE_P(
    Large, CpuModelRowsTest,
    testing::Combine(testing::Values("resnet18", "resnet50", "resnext50_32x4d",
                                     "resnet18_v2"),
                     testing::Values(Precision::kFloat32), testing::Values(1)),
    kName);

TEST_P(CpuModelRowsTest, AreTheSameBitsHoweverManyPicturesRunBesideThem) {
  const ModelPackage package = FilledPackage(std::get<0>(GetParam()));
  std::vector<Pixels> pictures;
  for (std::size_t i = 0; i < kLargest; ++i) {
    pictures.push_back(FillPicture(package.facts.preprocess.crop,
                                   package.facts.preprocess.crop,
                                   static_cast<int>(i)));
  }
  const std::vector<const Pixels*> all = Pointers(pictures);
  const std::unique_ptr<CpuModel> model = Load(package, all);
  if (model == nullptr) {
    GTEST_SKIP() << "this processor has no such arithmetic";
  }
  std::vector<std::vector<float>> alone;
  for (const Pixels* picture : all) {
    alone.push_back(model->Logits({picture}).value());
  }
  const std::size_t classes = alone[0].size();
  for (std::size_t batch = 2; batch <= kLargest; ++batch) {
    const std::vector<float> logits =
        model->Logits(absl::MakeConstSpan(all).subspan(0, batch)).value();
    for (std::size_t i = 0; i < batch; ++i) {
      const float* const row = logits.data() + i * classes;
      EXPECT_EQ(alone[i], std::vector<float>(row, row + classes))
          << "picture " << i << " of " << batch;
    }
  }
}

}  // namespace
}  // namespace resnetd
