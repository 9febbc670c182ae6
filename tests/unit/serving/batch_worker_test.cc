#include "server/serving/batch_worker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/serving/serving_fixture.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;

std::vector<QueuedImage> AllOf(ServingFixture& fixture,
                               const std::shared_ptr<PendingRequest>& request) {
  std::vector<QueuedImage> batch;
  for (std::size_t i = 0; i < request->request().images.size(); ++i) {
    batch.push_back(fixture.Decoded(request, i));
  }
  return batch;
}

TakenBatch Taken(std::vector<QueuedImage> images) {
  return {.images = std::move(images), .dropped = {}};
}

TEST(RunBatchTest, AnswersEveryImageWithItsOwnClasses) {
  ServingFixture fixture;
  AnswerBox answer;
  RunBatch(Taken(AllOf(fixture, fixture.Make(PixelRequest(3), answer))),
           fixture.clock);
  const auto response = answer.Take();
  ASSERT_TRUE(response.ok());
  for (int i = 0; i < 3; ++i) {
    const auto& result = response->results[static_cast<std::size_t>(i)];
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->predictions.size(), 5U);
    EXPECT_EQ(result->predictions[0].index, i);
    EXPECT_TRUE(result->logits.empty());
  }
}

TEST(RunBatchTest, FillsABatchUpToASizeThatTheDeviceRuns) {
  ServingFixture fixture(AccountOptions{.allowed_batches = {1, 2, 4}});
  std::vector<std::size_t> ran;
  fixture.version = FakeVersion(FakeFacts(), [&ran](std::size_t rows) {
    ran.push_back(rows);
    return absl::OkStatus();
  });
  AnswerBox answer;
  ClassifyRequest asked = PixelRequest(3);
  asked.want_embedding = true;
  RunBatch(Taken(AllOf(fixture, fixture.Make(std::move(asked), answer))),
           fixture.clock);
  const auto response = answer.Take();
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(ran, std::vector<std::size_t>{4});
  ASSERT_EQ(response->results.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    const auto& result = response->results[static_cast<std::size_t>(i)];
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->predictions[0].index, i);
    EXPECT_EQ(result->embedding,
              (std::vector<float>{static_cast<float>(i), 1, 2}));
  }
  // The pictures, not the rows.
  EXPECT_EQ(response->timings.batch_size, 3);
}

TEST(RunBatchTest, ReturnsLogitsWhenAsked) {
  ServingFixture fixture;
  AnswerBox answer;
  ClassifyRequest asked = PixelRequest(1);
  asked.want_logits = true;
  asked.top_k = 10;
  RunBatch(Taken(AllOf(fixture, fixture.Make(std::move(asked), answer))),
           fixture.clock);
  const auto response = answer.Take();
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->results[0]->logits, FakeModel::LogitsOf(0, 10));
  EXPECT_EQ(response->results[0]->predictions.size(), 10U);
}

TEST(RunBatchTest, TheTemperatureOfAVersionIsInItsProbabilitiesNotItsLogits) {
  ServingFixture fixture;
  VersionFacts facts = FakeFacts();
  facts.temperature = 4;
  fixture.version = FakeVersion(facts);
  AnswerBox answer;
  ClassifyRequest asked = PixelRequest(1);
  asked.want_logits = true;
  RunBatch(Taken(AllOf(fixture, fixture.Make(std::move(asked), answer))),
           fixture.clock);
  const auto response = answer.Take();
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->results[0]->logits, FakeModel::LogitsOf(0, 10));
  // One logit is 10, nine are 0.
  EXPECT_NEAR(response->results[0]->predictions[0].probability,
              std::exp(2.5) / (std::exp(2.5) + 9), 1e-6);
}

TEST(RunBatchTest, AFailureOfTheModelFailsEveryRequestOfTheBatch) {
  ServingFixture fixture;
  fixture.version = FakeVersion(FakeFacts(), [](std::size_t) {
    return Error(absl::StatusCode::kInternal, Reason::kInternal, "broken");
  });
  std::vector<AnswerBox> answers(2);
  auto batch = AllOf(fixture, fixture.Make(PixelRequest(2), answers[0]));
  auto more = AllOf(fixture, fixture.Make(PixelRequest(1), answers[1]));
  batch.push_back(std::move(more[0]));
  RunBatch(Taken(std::move(batch)), fixture.clock);
  EXPECT_EQ(answers[0].Take().status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(answers[1].Take().status().code(), absl::StatusCode::kInternal);
}

// Of one image: its first red is `bad`.
ModelHandle VersionThatFailsOn(std::uint8_t bad) {
  class Picky final : public Model {
   public:
    explicit Picky(std::uint8_t bad) : bad_(bad) {}
    absl::StatusOr<std::vector<float>> Logits(
        absl::Span<const Pixels* const> batch) const override {
      std::vector<float> logits;
      for (const Pixels* const picture : batch) {
        if (picture->rgb[0] == bad_) {
          return Error(absl::StatusCode::kInternal, Reason::kInternal,
                       "a logit is not finite");
        }
        const std::vector<float> row = FakeModel::LogitsOf(picture->rgb[0], 10);
        logits.insert(logits.end(), row.begin(), row.end());
      }
      return logits;
    }
    std::string precision() const override { return "fp32"; }
    std::string backend() const override { return "picky"; }
    std::int64_t resident_bytes() const override { return 0; }

   private:
    const std::uint8_t bad_;
  };
  return std::make_shared<ServedVersion>(
      ServedVersion{.facts = FakeFacts(),
                    .model = std::make_unique<Picky>(bad),
                    .load_time = {}});
}

TEST(RunBatchTest, AnImageThatTheNetworkCannotComputeFailsAlone) {
  for (std::uint8_t bad = 0; bad < 6; ++bad) {
    ServingFixture fixture;
    fixture.version = VersionThatFailsOn(bad);
    VersionTallies tallies;
    std::vector<AnswerBox> answers(2);
    // Reds 0 to 4, and 0 again.
    auto batch = AllOf(fixture, fixture.Make(PixelRequest(5), answers[0]));
    auto more = AllOf(fixture, fixture.Make(PixelRequest(1), answers[1]));
    batch.push_back(std::move(more[0]));
    RunBatch(Taken(std::move(batch)), fixture.clock, &tallies);
    const auto response = answers[0].Take();
    ASSERT_TRUE(response.ok()) << response.status();
    for (std::size_t i = 0; i < 5; ++i) {
      const auto& result = response->results[i];
      EXPECT_EQ(result.ok(), i != bad) << i;
      if (result.ok()) {
        EXPECT_EQ(result->predictions[0].index, static_cast<int>(i));
      } else {
        EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
      }
    }
    EXPECT_EQ(answers[1].Take().ok(), bad != 0) << "of another caller";
    const VersionFacts facts = FakeFacts();
    EXPECT_EQ(tallies.Read(facts.name, facts.version).failures,
              bad == 0 ? 2 : (bad < 5 ? 1 : 0));
  }
}

TEST(RunBatchTest, CountsHowTheVersionFares) {
  ServingFixture fixture;
  VersionTallies tallies;
  AnswerBox answer;
  RunBatch(Taken(AllOf(fixture, fixture.Make(PixelRequest(3), answer))),
           fixture.clock, &tallies);
  const VersionFacts facts = FakeFacts();
  VersionTally tally = tallies.Read(facts.name, facts.version);
  // Of the first picture: its class has 10 more than the 9 others.
  EXPECT_EQ(tally.answers, 1);
  EXPECT_NEAR(tally.confidence_sum, 1 / (1 + 9 * std::exp(-10.0)), 1e-9);

  for (const auto code :
       {absl::StatusCode::kInternal, absl::StatusCode::kResourceExhausted}) {
    fixture.version = FakeVersion(FakeFacts(), [code](std::size_t) {
      return Error(code, Reason::kInternal, "broken");
    });
    AnswerBox broken;
    RunBatch(Taken(AllOf(fixture, fixture.Make(PixelRequest(1), broken))),
             fixture.clock, &tallies);
  }
  tally = tallies.Read(facts.name, facts.version);
  EXPECT_EQ(tally.answers, 1);
  EXPECT_EQ(tally.failures, 1);
}

TEST(RunBatchTest, AFailureOfABatchWithTensorsIsNotTheVersions) {
  ServingFixture fixture;
  const VersionFacts facts = FakeFacts();
  fixture.version = FakeVersion(
      facts, [](std::size_t) { return absl::InternalError("overflow"); });
  AnswerBox answer;
  auto batch = AllOf(fixture, fixture.Make(PixelRequest(1), answer));
  batch[0].normalised.assign(3 * 8 * 8, 1);
  VersionTallies tallies;
  RunBatch(Taken(std::move(batch)), fixture.clock, &tallies);
  EXPECT_EQ(answer.Take().status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(tallies.Read(facts.name, facts.version).failures, 0);
}

TEST(RunBatchTest, DropsWhatExpiredBeforeTheNetworkRuns) {
  ServingFixture fixture;
  std::size_t ran = 0;
  fixture.version = FakeVersion(FakeFacts(), [&ran](std::size_t images) {
    ran += images;
    return absl::OkStatus();
  });
  std::vector<AnswerBox> answers(2);
  ClassifyRequest late = PixelRequest(1);
  late.deadline = fixture.clock.Now() + milliseconds(1);
  auto batch = AllOf(fixture, fixture.Make(std::move(late), answers[0]));
  auto more = AllOf(fixture, fixture.Make(PixelRequest(1), answers[1]));
  batch.push_back(std::move(more[0]));
  fixture.clock.Advance(milliseconds(1));
  RunBatch(Taken(std::move(batch)), fixture.clock);
  EXPECT_EQ(DetailsOf(answers[0].Take().status()).reason, "EXPIRED_IN_QUEUE");
  EXPECT_TRUE(answers[1].Take().ok());
  EXPECT_EQ(ran, 1U);
}

TEST(RunBatchTest, RunsNothingWhenNobodyWaits) {
  ServingFixture fixture;
  fixture.version = FakeVersion(FakeFacts(), [](std::size_t) {
    ADD_FAILURE() << "the network ran";
    return absl::OkStatus();
  });
  AnswerBox answer;
  ClassifyRequest asked = PixelRequest(2);
  asked.cancelled = std::make_shared<std::atomic<bool>>(true);
  RunBatch(Taken(AllOf(fixture, fixture.Make(std::move(asked), answer))),
           fixture.clock);
  EXPECT_EQ(answer.Take().status().code(), absl::StatusCode::kCancelled);
}

TEST(RunBatchTest, BooksTheTimeOfABatchOncePerRequest) {
  ServingFixture fixture;
  fixture.version = FakeVersion(FakeFacts(), [&fixture](std::size_t) {
    fixture.clock.Advance(milliseconds(7));
    return absl::OkStatus();
  });
  AnswerBox answer;
  RunBatch(Taken(AllOf(fixture, fixture.Make(PixelRequest(3), answer))),
           fixture.clock);
  const Timings timings = answer.Take()->timings;
  EXPECT_EQ(timings.compute, milliseconds(7));
  EXPECT_EQ(timings.batch_size, 3);
}

TEST(RunBatchTest, SaysWhyTheBatchWasNotLarger) {
  for (const BatchClose close : {BatchClose::kFull, BatchClose::kDrained,
                                 BatchClose::kShared, BatchClose::kDeadline}) {
    ServingFixture fixture;
    AnswerBox answer;
    RunBatch({.images = AllOf(fixture, fixture.Make(PixelRequest(2), answer)),
              .dropped = {},
              .close = close},
             fixture.clock);
    EXPECT_EQ(answer.Take()->timings.batch_close, close);
  }
}

TEST(RunBatchTest, ABatchThatMemoryIsTooShortForIsHalvedOnce) {
  // The most images that there is memory for, and how many runs of the network
  // answer how many of eight.
  struct Case {
    std::size_t room;
    std::vector<std::size_t> ran;
    bool is_answered;
  };
  for (const Case& one :
       {Case{8, {8}, true}, Case{7, {8, 4, 4}, true}, Case{4, {8, 4, 4}, true},
        Case{3, {8, 4, 4}, false}}) {
    ServingFixture fixture;
    std::vector<std::size_t> ran;
    fixture.version = FakeVersion(
        FakeFacts(), [&ran, &one](std::size_t images) -> absl::Status {
          ran.push_back(images);
          return images <= one.room
                     ? absl::OkStatus()
                     : Error(absl::StatusCode::kResourceExhausted,
                             Reason::kOverloaded, "no memory");
        });
    AnswerBox answer;
    RunBatch(Taken(AllOf(fixture, fixture.Make(PixelRequest(8), answer))),
             fixture.clock);
    EXPECT_EQ(ran, one.ran) << one.room;
    const auto response = answer.Take();
    EXPECT_EQ(response.ok(), one.is_answered) << response.status();
    if (!one.is_answered) {
      EXPECT_EQ(response.status().code(), absl::StatusCode::kResourceExhausted);
    }
  }
}

TEST(ServeBatchesTest, AnswersWhatIsLeftWithUnavailableWhenStopping) {
  ServingFixture fixture;
  AnswerBox answer;
  BatchQueue queue({.max_batch = 4}, 1, fixture.clock);
  const auto request = fixture.Make(PixelRequest(1), answer);
  queue.Push(fixture.Decoded(request, 0));
  queue.Close();
  const std::atomic<bool> stopping{true};
  ServeBatches(queue, stopping, fixture.clock);
  const absl::Status status = answer.Take().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(DetailsOf(status).reason, "DRAINING");
}

}  // namespace
}  // namespace resnetd
