#include "server/models/picture_split.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace resnetd {
namespace {

TEST(PictureSplitTest, SaysHowManyCalibrateAndHowManyJudge) {
  struct Case {
    std::size_t count;
    std::size_t calibrating;
    std::size_t judging;
  };
  const Case cases[] = {{0, 0, 0},      {1, 0, 1},      {49, 0, 49},
                        {79, 0, 79},    {80, 30, 50},   {81, 31, 50},
                        {99, 49, 50},   {100, 50, 50},  {101, 50, 51},
                        {127, 63, 64},  {128, 64, 64},  {129, 64, 65},
                        {256, 64, 192}, {360, 64, 296}, {4096, 64, 4032}};
  for (const Case& one : cases) {
    const PictureSplit split = SplitPictures(one.count);
    EXPECT_EQ(split.calibrating.size(), one.calibrating) << one.count;
    EXPECT_EQ(split.judging.size(), one.judging) << one.count;
  }
}

TEST(PictureSplitTest, EveryPictureIsOnOneSideInItsOrder) {
  for (std::size_t count = 0; count <= 300; ++count) {
    const PictureSplit split = SplitPictures(count);
    EXPECT_TRUE(
        std::is_sorted(split.calibrating.begin(), split.calibrating.end()));
    EXPECT_TRUE(std::is_sorted(split.judging.begin(), split.judging.end()));
    std::vector<std::size_t> all;
    std::merge(split.calibrating.begin(), split.calibrating.end(),
               split.judging.begin(), split.judging.end(),
               std::back_inserter(all));
    ASSERT_EQ(all.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(all[i], i) << count;
    }
  }
}

TEST(PictureSplitTest, WhatWasTrainedOnCalibratesAndNeverJudges) {
  struct Case {
    std::size_t trained;
    std::size_t held_out;
    std::size_t calibrating;
    std::size_t judging;
  };
  const Case cases[] = {
      // Enough of what was trained on: all others judge, if they are enough.
      {30, 49, 0, 49},
      {30, 50, 30, 50},
      {31, 50, 31, 50},
      {63, 51, 63, 51},
      {64, 50, 64, 50},
      {65, 50, 64, 50},
      {200, 192, 64, 192},
      {200, 0, 0, 0},
      // Of what is missing the others make up.
      {29, 50, 0, 50},
      {29, 51, 30, 50},
      {1, 78, 0, 78},
      {1, 79, 30, 50},
      {1, 200, 30, 171},
  };
  for (const Case& one : cases) {
    const PictureSplit split =
        SplitPictures(one.trained + one.held_out, one.trained);
    EXPECT_EQ(split.calibrating.size(), one.calibrating)
        << one.trained << "+" << one.held_out;
    EXPECT_EQ(split.judging.size(), one.judging)
        << one.trained << "+" << one.held_out;
    std::set<std::size_t> places(split.calibrating.begin(),
                                 split.calibrating.end());
    for (const std::size_t place : split.judging) {
      EXPECT_GE(place, one.trained);
      EXPECT_LT(place, one.trained + one.held_out);
      EXPECT_TRUE(places.insert(place).second) << place;
    }
    EXPECT_EQ(places.size(), one.calibrating + one.judging);
  }
}

TEST(PictureSplitTest, IsTheSameEachTime) {
  EXPECT_EQ(SplitPictures(200).calibrating, SplitPictures(200).calibrating);
}

// Classes of the pictures `places`.
template <typename ClassOf>
std::set<std::size_t> ClassesAt(const std::vector<std::size_t>& places,
                                const ClassOf& class_of) {
  std::set<std::size_t> classes;
  for (const std::size_t place : places) {
    classes.insert(class_of(place));
  }
  return classes;
}

TEST(PictureSplitTest, ClassesThatLieInOrderAreOnBothSides) {
  for (const std::size_t count : {80U, 100U, 128U, 200U, 256U}) {
    const PictureSplit split = SplitPictures(count);
    const auto class_of = [count](std::size_t i) { return i * 10 / count; };
    EXPECT_EQ(ClassesAt(split.calibrating, class_of).size(), 10U) << count;
    EXPECT_EQ(ClassesAt(split.judging, class_of).size(), 10U) << count;
  }
}

TEST(PictureSplitTest, ClassesThatTakeTurnsAreOnBothSides) {
  for (const std::size_t count : {80U, 100U, 128U, 200U, 256U}) {
    const PictureSplit split = SplitPictures(count);
    for (std::size_t classes = 2; classes <= 10; ++classes) {
      const auto class_of = [classes](std::size_t i) { return i % classes; };
      EXPECT_EQ(ClassesAt(split.calibrating, class_of).size(), classes)
          << count;
      EXPECT_EQ(ClassesAt(split.judging, class_of).size(), classes) << count;
    }
  }
}

}  // namespace
}  // namespace resnetd
