#include "server/engine/cpu_model.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/cpu_engine.h"
#include "server/image/pixels.h"
#include "server/models/model.h"
#include "server/models/model_package.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"
#include "tests/support/golden_logits.h"

namespace resnetd {
namespace {

// Of the logits' scale.
constexpr double kTolerance = 1e-5;

class GoldenTest : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, GoldenTest,
                         testing::Values("resnet18", "resnet34", "resnet50",
                                         "resnet101", "resnet152",
                                         "wide_resnet50_2", "wide_resnet101_2",
                                         "resnext50_32x4d", "resnext101_32x8d",
                                         "resnext101_64x4d", "resnet18_v2",
                                         "resnet50_v2", "cifar_resnet8",
                                         "cifar_resnet20", "cifar_resnet20_v2"),
                         [](const auto& row) { return row.param; });

TEST_P(GoldenTest, LogitsEqualTheReferenceAloneAndInABatch) {
  const std::vector<std::vector<double>> golden = ReadGoldenLogits(GetParam());
  ASSERT_EQ(golden.size(), 2U);
  const ModelPackage package = FilledPackage(GetParam());
  const int crop = package.facts.preprocess.crop;
  const std::vector<Pixels> pictures = {FillPicture(crop, crop, 0),
                                        FillPicture(crop, crop, 1)};
  const auto engine = CreateCpuEngine({.threads = 2});
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto model = (*engine)->Load(package, 3);
  ASSERT_TRUE(model.ok()) << model.status();

  const std::size_t classes = golden[0].size();
  const auto single = (*model)->Logits({&pictures[1]});
  ASSERT_TRUE(single.ok()) << single.status();
  ASSERT_EQ(single->size(), classes);
  EXPECT_LE(RelativeToScale(golden[1], single->data()), kTolerance);

  const auto batch =
      (*model)->Logits({&pictures[1], &pictures[0], &pictures[1]});
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->size(), 3 * classes);
  for (const std::size_t row : {0, 1, 2}) {
    EXPECT_LE(RelativeToScale(golden[row == 1 ? 0 : 1],
                              batch->data() + row * classes),
              kTolerance)
        << "row " << row;
  }
}

}  // namespace
}  // namespace resnetd
