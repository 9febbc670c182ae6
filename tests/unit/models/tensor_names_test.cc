#include "server/models/tensor_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TensorView View(std::string name, std::vector<std::int64_t> shape = {}) {
  return {.name = std::move(name), .shape = std::move(shape), .bytes = {}};
}

TEST(TensorNamesTest, StripsThePrefixesThatAllNamesShare) {
  const std::vector<TensorView> views = {View("module.model.a"),
                                         View("module.model.b")};
  const TensorNames names(views);
  EXPECT_EQ(names.size(), 2U);
  EXPECT_EQ(names.Find("a"), &views[0]);
  EXPECT_EQ(names.Find("b"), &views[1]);
  EXPECT_EQ(names.Find("module.model.a"), nullptr);
  EXPECT_EQ(names.NameOf(views[1]), "b");
}

TEST(TensorNamesTest, KeepsPrefixesThatOneNameLacks) {
  const std::vector<TensorView> views = {View("module.a"), View("b")};
  const TensorNames names(views);
  EXPECT_EQ(names.Find("module.a"), &views[0]);
  EXPECT_EQ(names.Find("a"), nullptr);
}

TEST(TensorNamesTest, ListsDifferencesWithShapes) {
  const std::vector<TensorView> views = {View("a", {1, 2}), View("b", {3}),
                                         View("c\n", {4})};
  const TensorDifference difference =
      Compare(TensorNames(views),
              {{.name = "a", .shape = {1, 2}},
               {.name = "b", .shape = {3, 1}},
               {.name = "d", .shape = {5}},
               {.name = "e", .shape = {}, .optional_counter = true}});
  EXPECT_FALSE(difference.empty());
  EXPECT_THAT(difference.missing, ElementsAre("d [5]"));
  EXPECT_THAT(difference.wrong_shape, ElementsAre("b [3], needed [3, 1]"));
  EXPECT_THAT(difference.unexpected, ElementsAre("\"c\\n\" [4]"));
}

TEST(TensorNamesTest, FindsNoDifferenceWhereThereIsNone) {
  const std::vector<TensorView> views = {View("a", {1})};
  EXPECT_TRUE(
      Compare(TensorNames(views), {{.name = "a", .shape = {1}}}).empty());
  EXPECT_THAT(Compare(TensorNames({}), {}).missing, IsEmpty());
}

TEST(TensorNamesTest, ListsTheFirstFiftyOfEachKind) {
  for (const std::size_t count : {50U, 51U}) {
    TensorDifference difference;
    difference.missing.assign(count, "x");
    const absl::Status status = MismatchError("it differs", difference);
    EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_MISMATCH");
    const std::string text(status.message());
    EXPECT_EQ(text.substr(0, text.find('\n')),
              "it differs: " + std::to_string(count) +
                  " missing, 0 unexpected, 0 of a wrong shape");
    EXPECT_EQ(text.find("... and 1 more") != std::string::npos, count == 51);
  }
}

}  // namespace
}  // namespace resnetd
