#include "server/serving/decode_work.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

AdmissionRequest Asks(Duration decode, const std::string& who = "") {
  return {.identity = who, .decode = decode};
}

TEST(DecodeWorkTest, BelievesWhatIsAnnouncedUntilItKnowsBetter) {
  DecodeWork work(3);
  work.Add(Priority::kNormal, "", milliseconds(50));
  const DecodeTime time = work.Predict(Asks(milliseconds(20)));
  EXPECT_EQ(time.decoders, 3U);
  EXPECT_EQ(time.ahead, milliseconds(50));
  EXPECT_EQ(time.own, milliseconds(20));
}

TEST(DecodeWorkTest, OnePictureIsEnoughToBeginWith) {
  DecodeWork work(1);
  work.Add(Priority::kNormal, "", milliseconds(60));
  work.Record(milliseconds(20), milliseconds(50));
  const DecodeTime time = work.Predict(Asks(milliseconds(20)));
  EXPECT_EQ(time.ahead, milliseconds(150));
  EXPECT_EQ(time.own, milliseconds(50));
}

TEST(DecodeWorkTest, SaysNothingToWhoNeedsNoDecoder) {
  DecodeWork work(1);
  work.Add(Priority::kCritical, "", seconds(100));
  const DecodeTime time = work.Predict(Asks({}));
  EXPECT_EQ(time.ahead, Duration::zero());
  EXPECT_EQ(time.own, Duration::zero());
}

TEST(DecodeWorkTest, ADecoderThatWasHeldUpOnceChangesNothing) {
  DecodeWork work(1);
  for (int i = 0; i < 8; ++i) {
    work.Record(milliseconds(10), milliseconds(20));
  }
  work.Record(milliseconds(10), seconds(100));
  EXPECT_EQ(work.Predict(Asks(milliseconds(10))).own, milliseconds(20));
}

TEST(DecodeWorkTest, FollowsALastingChangeOfSpeed) {
  DecodeWork work(1);
  for (int i = 0; i < 100; ++i) {
    work.Record(milliseconds(10), milliseconds(20));
  }
  const auto own = [&work] { return work.Predict(Asks(milliseconds(10))).own; };
  // Of 32, a quarter may be wrong.
  for (int i = 0; i < 8; ++i) {
    work.Record(milliseconds(10), milliseconds(80));
    EXPECT_EQ(own(), milliseconds(20));
  }
  work.Record(milliseconds(10), milliseconds(80));
  EXPECT_GT(own(), milliseconds(20));
  for (int i = 0; i < 15; ++i) {
    work.Record(milliseconds(10), milliseconds(80));
  }
  EXPECT_EQ(own(), milliseconds(80));
}

TEST(DecodeWorkTest, ThumbnailsDoNotSayWhatLargePicturesTake) {
  DecodeWork work(1);
  for (int i = 0; i < 28; ++i) {
    work.Record(std::chrono::microseconds(200), milliseconds(2));
  }
  for (int i = 0; i < 4; ++i) {
    work.Record(milliseconds(64), milliseconds(128));
  }
  EXPECT_EQ(work.Predict(Asks(milliseconds(64))).own, milliseconds(128));
}

TEST(DecodeWorkTest, LearnsNothingOfWhatAnnouncesNothing) {
  DecodeWork work(1);
  work.Record({}, seconds(1));
  EXPECT_EQ(work.Predict(Asks(milliseconds(10))).own, milliseconds(10));
}

TEST(DecodeWorkTest, AFloodGoesBeforeAnotherCallerForItsShareAlone) {
  DecodeWork work(1);
  work.Add(Priority::kNormal, "flood", seconds(10));
  work.Add(Priority::kBatch, "other", seconds(10));
  EXPECT_EQ(work.Predict(Asks(milliseconds(10), "other")).ahead,
            milliseconds(10));
  EXPECT_EQ(work.Predict(Asks(milliseconds(10), "flood")).ahead, seconds(10));
  // And a picture of the flood, which a decoder may have begun with.
  work.Record(milliseconds(70), milliseconds(70));
  EXPECT_EQ(work.Predict(Asks(milliseconds(10), "other")).ahead,
            milliseconds(80));
}

TEST(DecodeWorkTest, TheBooksDoNotDriftWhateverIsLearntMeanwhile) {
  DecodeWork work(2);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&work, t] {
        const std::string who = std::to_string(t % 2);
        for (int i = 1; i <= 2000; ++i) {
          const Duration announced(1'000'003 * i);
          work.Add(Priority::kNormal, who, announced);
          work.Record(announced, Duration(i % 7 * 999'983));
          work.Add(Priority::kNormal, who, -announced);
        }
      });
    }
  }
  EXPECT_EQ(work.announced(), Duration::zero());
  EXPECT_EQ(work.Predict(Asks(seconds(1), "0")).ahead, Duration::zero());
}

}  // namespace
}  // namespace resnetd
