#include "server/engine/program.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/models/architecture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

Program ProgramOf(const std::string& name, int crop, int num_classes = 1000) {
  return BuildProgram(BuildNetwork(FindArchitecture(name, num_classes).value()),
                      crop);
}

// One line a step: "conv1 0 -> 1 relu".
std::vector<std::string> Listing(const Program& program) {
  std::vector<std::string> lines;
  for (const Step& step : program.steps) {
    std::string what;
    switch (step.kind) {
      case StepKind::kConvolution:
        what = step.conv.name + (step.norm ? "*" + step.norm->name : "");
        break;
      case StepKind::kMaxPool:
        what = "max";
        break;
      case StepKind::kScaleShiftRelu:
        what = step.norm->name;
        break;
      case StepKind::kAveragePool:
        what = "average";
        break;
      case StepKind::kLinear:
        what = step.linear.name;
        break;
    }
    lines.push_back(absl::StrCat(what, " ", step.input, " ",
                                 step.accumulate ? "+>" : "->", " ",
                                 step.output, step.relu ? " relu" : ""));
  }
  return lines;
}

TEST(ProgramTest, V1FoldsEveryNormalisationAndAddsOntoTheShortcut) {
  EXPECT_THAT(Listing(ProgramOf("cifar_resnet8", 32, 10)),
              ElementsAre("conv1*bn1 0 -> 1 relu",
                          "layer1.0.conv1*layer1.0.bn1 1 -> 2 relu",
                          "layer1.0.conv2*layer1.0.bn2 2 +> 1 relu",
                          "layer2.0.downsample.0*layer2.0.downsample.1 1 -> 3",
                          "layer2.0.conv1*layer2.0.bn1 1 -> 4 relu",
                          "layer2.0.conv2*layer2.0.bn2 4 +> 3 relu",
                          "layer3.0.downsample.0*layer3.0.downsample.1 3 -> 5",
                          "layer3.0.conv1*layer3.0.bn1 3 -> 6 relu",
                          "layer3.0.conv2*layer3.0.bn2 6 +> 5 relu",
                          "average 5 -> 7", "fc 7 -> 8"));
}

TEST(ProgramTest, V2KeepsTheRawSumOnlyForAnIdentityShortcut) {
  EXPECT_THAT(
      Listing(ProgramOf("cifar_resnet8_v2", 32, 10)),
      ElementsAre(
          "conv1 0 -> 1", "layer1.0.bn1 1 -> 2 relu",
          "layer1.0.conv1*layer1.0.bn2 2 -> 3 relu", "layer1.0.conv2 3 +> 1",
          "layer2.0.bn1 1 -> 1 relu", "layer2.0.downsample.0 1 -> 4",
          "layer2.0.conv1*layer2.0.bn2 1 -> 5 relu", "layer2.0.conv2 5 +> 4",
          "layer3.0.bn1 4 -> 4 relu", "layer3.0.downsample.0 4 -> 6",
          "layer3.0.conv1*layer3.0.bn2 4 -> 7 relu", "layer3.0.conv2 7 +> 6",
          "bn_last 6 -> 6 relu", "average 6 -> 8", "fc 8 -> 9"));
}

TEST(ProgramTest, FeaturesAreTheBeginningOfTheWhole) {
  const Network network =
      BuildNetwork(FindArchitecture("cifar_resnet8_v2", 10).value());
  const Program whole = BuildProgram(network, 32);
  EXPECT_EQ(whole.output, 9U);
  std::vector<std::size_t> outputs;
  for (int stages = 0; stages <= 3; ++stages) {
    const Program part = BuildFeatureProgram(network, 32, stages);
    const std::vector<std::string> steps = Listing(part);
    const std::vector<std::string> all = Listing(whole);
    ASSERT_LT(steps.size(), all.size());
    EXPECT_TRUE(std::equal(steps.begin(), steps.end(), all.begin()));
    outputs.push_back(part.output);
  }
  // Of the listing above: the sums of the stages, and the average.
  EXPECT_THAT(outputs, ElementsAre(1, 1, 4, 8));
}

TEST(ProgramTest, BuffersHaveTheSizesOfTheNetwork) {
  const Program program = ProgramOf("resnet50", 224);
  EXPECT_EQ(program.buffers[0], (BufferShape{3, 224, 224}));
  EXPECT_EQ(program.buffers[1], (BufferShape{64, 112, 112}));
  EXPECT_EQ(program.buffers[2], (BufferShape{64, 56, 56}));
  EXPECT_EQ(program.buffers[3], (BufferShape{256, 56, 56}));
  const std::size_t count = program.buffers.size();
  EXPECT_EQ(program.buffers[count - 2], (BufferShape{2048, 1, 1}));
  EXPECT_EQ(program.buffers[count - 1], (BufferShape{1000, 1, 1}));
  const Step& average = program.steps[program.steps.size() - 2];
  EXPECT_EQ(program.buffers[average.input], (BufferShape{2048, 7, 7}));
}

TEST(ProgramTest, TheSmallestPictureStillHasAPixelAtTheEnd) {
  const Program program = ProgramOf("resnet18", 8);
  for (const BufferShape& shape : program.buffers) {
    EXPECT_GE(shape.height, 1);
    EXPECT_GE(shape.width, 1);
  }
}

// Every buffer that a step reads or adds to was written before, by a step or,
// the first, by the caller; the last step writes the last buffer.
TEST(ProgramTest, ReadsOnlyWhatIsWritten) {
  for (const std::string& name : KnownArchitectures()) {
    const Program program = ProgramOf(name, 32, 10);
    std::vector<bool> written(program.buffers.size());
    written[0] = true;
    for (const Step& step : program.steps) {
      EXPECT_TRUE(written[step.input]) << name;
      EXPECT_TRUE(written[step.output] || !step.accumulate) << name;
      written[step.output] = true;
    }
    EXPECT_EQ(program.steps.back().output + 1, program.buffers.size());
  }
}

// GFLOPS of torchvision's table of models (which counts a multiplication and an
// addition as one).
TEST(ProgramTest, FlopsEqualThePublishedNumbers) {
  EXPECT_NEAR(FlopsPerPicture(ProgramOf("resnet18", 224)) / 2e9, 1.81, 0.006);
  EXPECT_NEAR(FlopsPerPicture(ProgramOf("resnet50", 224)) / 2e9, 4.09, 0.006);
  EXPECT_NEAR(FlopsPerPicture(ProgramOf("resnet152", 224)) / 2e9, 11.51, 0.006);
  EXPECT_NEAR(FlopsPerPicture(ProgramOf("resnext50_32x4d", 224)) / 2e9, 4.23,
              0.006);
  EXPECT_NEAR(FlopsPerPicture(ProgramOf("wide_resnet101_2", 224)) / 2e9, 22.75,
              0.006);
}

TEST(ProgramTest, TheOperationsOfTheStepsAreThoseOfThePicture) {
  const Program program = ProgramOf("resnext50_32x4d", 64);
  double all = 0;
  for (std::size_t step = 0; step < program.steps.size(); ++step) {
    const double flops = FlopsOfStep(program, step);
    const StepKind kind = program.steps[step].kind;
    EXPECT_EQ(flops > 0,
              kind == StepKind::kConvolution || kind == StepKind::kLinear);
    all += flops;
  }
  EXPECT_EQ(all, FlopsPerPicture(program));
  // 64 filters of 3 x 7 x 7 at 32 x 32 places.
  EXPECT_EQ(FlopsOfStep(program, 0), 2.0 * 64 * 3 * 7 * 7 * 32 * 32);
}

}  // namespace
}  // namespace resnetd
