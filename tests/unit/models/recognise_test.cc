#include "server/models/recognise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Names and shapes of a network, without values.
std::vector<TensorView> ViewsOf(absl::string_view name, int classes,
                                absl::string_view prefix = "") {
  std::vector<TensorView> views;
  const Network network = BuildNetwork(FindArchitecture(name, classes).value());
  for (const TensorSpec& spec : TensorSpecs(network)) {
    views.push_back({.name = absl::StrCat(prefix, spec.name),
                     .dtype = DType::kF32,
                     .shape = spec.shape,
                     .bytes = {}});
  }
  return views;
}

void ExpectRecognised(const std::string& name, int classes) {
  const auto views = ViewsOf(name, classes);
  const auto found = RecogniseArchitecture(views, "");
  ASSERT_TRUE(found.ok()) << name << ": " << found.status();
  EXPECT_EQ(found->name, name);
  EXPECT_EQ(found->num_classes, classes);
}

std::string Refused(const std::vector<TensorView>& views,
                    absl::string_view wanted) {
  const absl::Status status = RecogniseArchitecture(views, wanted).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_MISMATCH");
  return std::string(status.message());
}

TEST(RecogniseTest, KnowsEveryArchitectureByItsNamesAndShapes) {
  for (const std::string& name : KnownArchitectures()) {
    ExpectRecognised(name, 10);
  }
  ExpectRecognised("resnet50", 1);
  ExpectRecognised("resnet18", 100'000);
}

TEST(RecogniseTest, KnowsCifarNetworksOfEveryDepth) {
  for (const int n : {1, 2, 3, 17, 199, 200}) {
    ExpectRecognised(absl::StrCat("cifar_resnet", 6 * n + 2), 10);
    ExpectRecognised(absl::StrCat("cifar_resnet", 6 * n + 2, "_v2"), 10);
  }
}

TEST(RecogniseTest, LooksBehindThePrefixesOfWrappers) {
  for (const char* prefix : {"module.", "model.module.", "state_dict."}) {
    const auto found =
        RecogniseArchitecture(ViewsOf("resnet18", 7, prefix), "");
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->name, "resnet18");
    EXPECT_EQ(found->num_classes, 7);
  }
}

TEST(RecogniseTest, NeedsNoCounters) {
  std::vector<TensorView> views;
  for (const TensorView& view : ViewsOf("resnet34", 5)) {
    if (!view.shape.empty()) {
      views.push_back(view);
    }
  }
  EXPECT_EQ(RecogniseArchitecture(views, "")->name, "resnet34");
}

TEST(RecogniseTest, TakesTheWantedOneOnly) {
  const auto views = ViewsOf("resnet50", 10);
  EXPECT_EQ(RecogniseArchitecture(views, "resnet50")->name, "resnet50");
  const std::string text = Refused(views, "resnet101");
  EXPECT_THAT(text, StartsWith("the weights do not fit resnet101 with 10 "
                               "classes (they are those of resnet50 with 10 "
                               "classes): 255 missing, 0 unexpected, 0 of a "
                               "wrong shape\n  missing: "
                               "layer3.6.conv1.weight [256, 1024, 1, 1]"));
}

TEST(RecogniseTest, RefusesAnUnknownNameWithTheNearest) {
  const absl::Status status =
      RecogniseArchitecture(ViewsOf("resnet50", 10), "resnet5").status();
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("did you mean \"resnet50\""));
}

TEST(RecogniseTest, ShowsTheDifferenceToTheNearest) {
  auto views = ViewsOf("wide_resnet50_2", 10);
  views[0].shape = {64, 4, 7, 7};
  views.push_back({.name = "extra", .shape = {2}, .bytes = {}});
  const std::string text = Refused(views, "");
  EXPECT_EQ(text,
            "the weights fit no known network; the nearest is wide_resnet50_2 "
            "with 10 classes: 0 missing, 1 unexpected, 1 of a wrong shape\n"
            "  unexpected: \"extra\" [2]\n"
            "  wrong shape: conv1.weight [64, 4, 7, 7], needed [64, 3, 7, 7]");
}

TEST(RecogniseTest, FindsTheNearestCifarNetworkOfADamagedOne) {
  for (const int depth : {8, 62, 1202}) {
    auto views = ViewsOf(absl::StrCat("cifar_resnet", depth), 10);
    views.erase(views.begin());
    EXPECT_THAT(Refused(views, ""),
                HasSubstr(absl::StrCat("the nearest is cifar_resnet", depth,
                                       " with 10 classes: 1 missing")));
  }
}

TEST(RecogniseTest, NamesNoOtherNetworkWhenNoneFits) {
  auto views = ViewsOf("resnet18", 10);
  views.pop_back();
  EXPECT_THAT(Refused(views, "resnet34"), Not(HasSubstr("they are those")));
}

TEST(RecogniseTest, AnswersForAnEmptyFile) {
  EXPECT_THAT(Refused({}, ""),
              HasSubstr("the nearest is cifar_resnet8_v2 with 1000 classes: 39 "
                        "missing"));
}

// A file may name blocks that no network has.
TEST(RecogniseTest, IsNotMisledByBlockNumbers) {
  std::vector<TensorView> views;
  for (const char* name :
       {"layer1.4294967295.conv1.weight", "layer1.99999999999.conv1.weight",
        "layer1.-1.conv1.weight", "layer", "layer1", "layer1.", "."}) {
    views.push_back({.name = name, .shape = {}, .bytes = {}});
  }
  EXPECT_THAT(Refused(views, ""), HasSubstr("7 unexpected"));
}

}  // namespace
}  // namespace resnetd
