#include "server/serving/classifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/base/error.h"
#include "tests/support/fake_model.h"
#include "tests/unit/serving/classifier_fixture.h"
#include "tests/unit/serving/serving_fixture.h"

namespace resnetd {
namespace {

TEST_F(ClassifierTest, ClassifiesPixelsAtNetworkSize) {
  Start();
  const auto response = Call(PixelRequest(9));
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->results.size(), 9U);
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(
        response->results[static_cast<std::size_t>(i)]->predictions[0].index,
        i);
  }
  EXPECT_EQ(response->served_by->facts.name.text(), "fake");
  EXPECT_GE(response->timings.batch_size, 1);
  EXPECT_EQ(classifier_->in_flight(), 0U);
}

TEST_F(ClassifierTest, TellsTheGateOfEachCallThatIsAnswered) {
  PriorityGate* const gate = &gate_;
  std::int64_t waiting = -1;
  Start({}, [gate, &waiting](std::size_t) {
    waiting = gate->waiting();
    return absl::OkStatus();
  });
  const auto response = Call(PixelRequest(3));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(waiting, 1);
  EXPECT_EQ(gate_.waiting(), 0);
  const std::vector<Duration> latencies = gate_.AloneSince({});
  ASSERT_EQ(latencies.size(), 1U);
  // To the microsecond.
  EXPECT_LE(latencies[0], response->timings.total);
  EXPECT_GT(latencies[0],
            response->timings.total - std::chrono::microseconds(1));
}

TEST_F(ClassifierTest, TheGateHasNoTimeOfWhatIsNotAnsweredOrMayWait) {
  Start();
  EXPECT_FALSE(Call(PixelRequest(0)).ok());
  ClassifyRequest late = PixelRequest(1);
  late.deadline = RealClock().Now();
  EXPECT_FALSE(Call(std::move(late)).ok());
  ClassifyRequest patient = PixelRequest(1);
  patient.priority = Priority::kBatch;
  EXPECT_TRUE(Call(std::move(patient)).ok());
  EXPECT_EQ(gate_.waiting(), 0);
  EXPECT_TRUE(gate_.AloneSince({}).empty());
}

TEST_F(ClassifierTest, TensorsAndPixelsShareBatchesAndEmbeddings) {
  Start();
  const std::vector<float> values(3 * 8 * 8, 7);
  ClassifyRequest request = PixelRequest(3);
  request.images.emplace_back(TensorImage{
      .bytes = {reinterpret_cast<const std::uint8_t*>(values.data()),
                values.size() * sizeof(float)},
      .type = DType::kF32,
      .height = 8,
      .width = 8});
  request.want_embedding = true;
  const auto response = Call(std::move(request));
  ASSERT_TRUE(response.ok()) << response.status();
  const std::vector<int> reds = {0, 1, 2, 7};
  for (std::size_t i = 0; i < reds.size(); ++i) {
    ASSERT_TRUE(response->results[i].ok()) << response->results[i].status();
    EXPECT_EQ(response->results[i]->predictions[0].index, reds[i]);
    EXPECT_EQ(response->results[i]->embedding,
              (std::vector<float>{static_cast<float>(reds[i]), 1, 2}));
  }
}

TEST_F(ClassifierTest, GivesEmbeddingsToThoseWhoAskAlone) {
  Start();
  ClassifyRequest plain = PixelRequest(2);
  EXPECT_TRUE(Call(std::move(plain))->results[0]->embedding.empty());
  ClassifyRequest embed = PixelRequest(2);
  embed.want_embedding = true;
  embed.want_predictions = false;
  const auto response = Call(std::move(embed));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(response->results[1]->predictions.empty());
  EXPECT_EQ(response->results[1]->embedding, (std::vector<float>{1, 1, 2}));
}

TEST_F(ClassifierTest, ATensorThatIsNotFiniteFailsAlone) {
  Start();
  std::vector<float> values(3 * 8 * 8, 7);
  values[5] = std::numeric_limits<float>::quiet_NaN();
  ClassifyRequest request = PixelRequest(1);
  request.images.emplace_back(TensorImage{
      .bytes = {reinterpret_cast<const std::uint8_t*>(values.data()),
                values.size() * sizeof(float)},
      .type = DType::kF32,
      .height = 8,
      .width = 8});
  const auto response = Call(std::move(request));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(response->results[0].ok());
  EXPECT_EQ(DetailsOf(response->results[1].status()).reason, "REQUEST_INVALID");
}

TEST_F(ClassifierTest, ResizesPixelsOfAnotherSize) {
  Start();
  ClassifyRequest request;
  request.images.emplace_back(PixelImage{.pixels = FakePixels(4, 100)});
  const auto response = Call(std::move(request));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->results[0]->predictions[0].index, 4);
}

TEST_F(ClassifierTest, RefusesAWrongSizeThatIsSaidToBeTheNetworks) {
  Start();
  ClassifyRequest request;
  request.images.emplace_back(
      PixelImage{.pixels = FakePixels(4, 9), .at_network_size = true});
  const absl::Status status = Call(std::move(request)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "images[0]: the picture has 9x9 pixels, the network takes 8x8: "
            "resize it or leave at_network_size off");
}

TEST_F(ClassifierTest, OneBadImageOfThirtyTwoLeavesThirtyOneAnswers) {
  Start();
  ClassifyRequest request = PixelRequest(32);
  const std::string garbage = "this is a text file, not a picture";
  request.images[17] = EncodedImage{
      {reinterpret_cast<const std::uint8_t*>(garbage.data()), garbage.size()}};
  const auto response = Call(std::move(request));
  ASSERT_TRUE(response.ok()) << response.status();
  for (std::size_t i = 0; i < 32; ++i) {
    if (i == 17) {
      EXPECT_EQ(DetailsOf(response->results[i].status()).reason,
                "IMAGE_DECODE_FAILED");
    } else {
      ASSERT_TRUE(response->results[i].ok()) << i;
      EXPECT_EQ(response->results[i]->predictions[0].index,
                static_cast<int>(i % 10));
    }
  }
}

TEST_F(ClassifierTest, DecodersThatWaitForMemoryAnswerEveryImage) {
  ClassifierOptions options;
  options.decode_threads = 4;
  // Each picture needs more, and so waits until it is alone.
  options.max_decode_bytes = 1;
  Start(options);
  std::ifstream file(RESNETD_SOURCE_DIR "/demo/digit-3.png", std::ios::binary);
  const std::vector<char> picture{std::istreambuf_iterator<char>(file), {}};
  ClassifyRequest request = PixelRequest(1);
  for (int i = 0; i < 63; ++i) {
    request.images.emplace_back(EncodedImage{
        .bytes = {reinterpret_cast<const std::uint8_t*>(picture.data()),
                  picture.size()}});
  }
  const auto response = Call(std::move(request));
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->results.size(), 64U);
  for (const auto& result : response->results) {
    EXPECT_TRUE(result.ok()) << result.status();
  }
}

TEST_F(ClassifierTest, AnImageThatCouldNotBeReadKeepsItsOwnError) {
  Start();
  ClassifyRequest request = PixelRequest(2);
  request.images[0] = Error(absl::StatusCode::kInvalidArgument,
                            Reason::kLimitExceeded, "too big");
  const auto response = Call(std::move(request));
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->results[0].status().message(), "too big");
  EXPECT_TRUE(response->results[1].ok());
}

TEST_F(ClassifierTest, NamesAModelThatDoesNotExist) {
  Start();
  ClassifyRequest request = PixelRequest(1);
  request.model.name = ModelName::Parse("nothing").value();
  const absl::Status status = Call(std::move(request)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_NOT_FOUND");
}

TEST_F(ClassifierTest, RefusesWhatTheValidationRefuses) {
  Start();
  EXPECT_EQ(Call(PixelRequest(0)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(Call(PixelRequest(257)).status()).reason,
            "LIMIT_EXCEEDED");
  EXPECT_TRUE(Call(PixelRequest(256)).ok());
}

TEST_F(ClassifierTest, RefusesMoreThanTheQueueHolds) {
  FirstBatchHeld first;
  ClassifierOptions options;
  options.queue.max_images = 3;
  Start(options, first.Hook());
  AnswerBox held;
  classifier_->Classify(PixelRequest(1), held.Taker());
  first.WaitUntilRunning();
  AnswerBox fits;
  classifier_->Classify(PixelRequest(2), fits.Taker());
  const absl::Status refused = Call(PixelRequest(1)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(refused).reason, "QUEUE_FULL");
  EXPECT_TRUE(DetailsOf(refused).retry_after.has_value());
  first.Release();
  EXPECT_TRUE(held.Take().ok());
  EXPECT_TRUE(fits.Take().ok());
  EXPECT_TRUE(Call(PixelRequest(3)).ok());
}

TEST_F(ClassifierTest, AnswersDeadlineExceededForWhatWaitedTooLong) {
  FirstBatchHeld first;
  Start({}, first.Hook());
  AnswerBox held;
  classifier_->Classify(PixelRequest(1), held.Taker());
  first.WaitUntilRunning();
  // Its deadline passes while the worker is held.
  ClassifyRequest late = PixelRequest(1);
  late.deadline = RealClock().Now() + std::chrono::milliseconds(5);
  const SteadyTime deadline = late.deadline;
  AnswerBox expired;
  classifier_->Classify(std::move(late), expired.Taker());
  while (RealClock().Now() < deadline) {
    std::this_thread::yield();
  }
  first.Release();
  EXPECT_EQ(expired.Take().status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(held.Take().ok());
}

TEST_F(ClassifierTest, RefusesNewRequestsOnceClosedAndFinishesTheOldOnes) {
  FirstBatchHeld first;
  Start({}, first.Hook());
  AnswerBox held;
  classifier_->Classify(PixelRequest(1), held.Taker());
  first.WaitUntilRunning();
  EXPECT_EQ(classifier_->in_flight(), 1U);
  classifier_->Close();
  const absl::Status refused = Call(PixelRequest(1)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(DetailsOf(refused).reason, "DRAINING");
  first.Release();
  EXPECT_TRUE(held.Take().ok());
}

TEST_F(ClassifierTest, AnswersEveryRequestExactlyOnceWhenDestroyed) {
  constexpr std::size_t kRequests = 200;
  Start();
  std::vector<AnswerBox> answers(kRequests);
  for (AnswerBox& answer : answers) {
    classifier_->Classify(PixelRequest(2), answer.Taker());
  }
  classifier_.reset();
  for (AnswerBox& answer : answers) {
    const auto response = answer.Take();
    EXPECT_TRUE(response.ok() ||
                response.status().code() == absl::StatusCode::kUnavailable)
        << response.status();
  }
}

TEST_F(ClassifierTest, ABatchIsFilledUpToASizeThatTheDeviceRuns) {
  FirstBatchHeld first;
  ClassifierOptions options;
  options.max_batch = 8;
  options.allowed_batches = {2, 4, 8};
  std::vector<std::size_t> rows;
  Start(options, [&rows, hold = first.Hook()](std::size_t size) {
    rows.push_back(size);
    return hold(size);
  });
  AnswerBox alone;
  classifier_->Classify(PixelRequest(1), alone.Taker());
  first.WaitUntilRunning();
  AnswerBox three;
  AnswerBox two;
  classifier_->Classify(PixelRequest(3), three.Taker());
  classifier_->Classify(PixelRequest(2), two.Taker());
  // The only decoder is through with all before it when it refuses this one.
  ClassifyRequest wrong;
  wrong.images.emplace_back(
      PixelImage{.pixels = FakePixels(1, 9), .at_network_size = true});
  EXPECT_FALSE(Call(std::move(wrong)).ok());
  first.Release();
  EXPECT_EQ(alone.Take()->timings.batch_size, 1);
  EXPECT_EQ(two.Take()->timings.batch_size, 5);
  const auto response = three.Take();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->timings.batch_size, 5);
  ASSERT_EQ(response->results.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(
        response->results[static_cast<std::size_t>(i)]->predictions[0].index,
        i);
  }
  EXPECT_EQ(rows, (std::vector<std::size_t>{2, 8}));
}

TEST_F(ClassifierTest, SharesBatchesAmongManyCallers) {
  constexpr int kCallers = 8;
  constexpr int kCalls = 50;
  ClassifierOptions options;
  options.workers = 2;
  options.decode_threads = 2;
  Start(options);
  std::vector<std::thread> callers;
  std::atomic<int> right{0};
  for (int c = 0; c < kCallers; ++c) {
    callers.emplace_back([&, c] {
      for (int i = 0; i < kCalls; ++i) {
        const auto red = static_cast<std::uint8_t>((c * kCalls + i) % 256);
        ClassifyRequest request;
        request.images.emplace_back(
            PixelImage{.pixels = FakePixels(red), .at_network_size = true});
        const auto response = Call(std::move(request));
        right += response.ok() &&
                 response->results[0]->predictions[0].index == red % 10;
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(right.load(), kCallers * kCalls);
}

TEST_F(ClassifierTest, ChecksWithoutTakingAndRefusesTheSame) {
  FirstBatchHeld first;
  ClassifierOptions options;
  options.queue.max_images = 2;
  Start(options, first.Hook());
  ClassifyOutline outline{.images = 2};
  EXPECT_TRUE(classifier_->Check(outline).ok());
  AnswerBox held;
  classifier_->Classify(PixelRequest(1), held.Taker());
  first.WaitUntilRunning();
  EXPECT_EQ(DetailsOf(classifier_->Check(outline)).reason, "QUEUE_FULL");
  outline.images = 1;
  EXPECT_TRUE(classifier_->Check(outline).ok());
  outline.deadline = RealClock().Now();
  EXPECT_EQ(DetailsOf(classifier_->Check(outline)).reason, "EXPIRED_IN_QUEUE");
  // What Classify() says better.
  outline.model.name = ModelName::Parse("nothing").value();
  EXPECT_TRUE(classifier_->Check(outline).ok());
  first.Release();
  EXPECT_TRUE(held.Take().ok());
  classifier_->Close();
  EXPECT_TRUE(classifier_->Check({.images = 3}).ok());
}

TEST_F(ClassifierTest, RefusesACallerWhoUsedUpItsRate) {
  ClassifierOptions options;
  // Refilled in a day and a half.
  options.rate = {.images_per_second = 1, .burst = 100'000};
  options.queue.max_images = 3;
  Start(options);
  const auto call = [this](const char* who, std::size_t images) {
    ClassifyRequest request = PixelRequest(images);
    request.identity = who;
    return Call(std::move(request)).status();
  };
  // Refused for want of room: costs nothing.
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(DetailsOf(call("a", 256)).reason, "QUEUE_FULL");
  }
  EXPECT_TRUE(call("a", 3).ok());
}

TEST_F(ClassifierTest, ARateIsOfEachCallerAndIsCountedAsSuch) {
  ClassifierOptions options;
  options.rate = {.images_per_second = 1, .burst = 2};
  Start(options);
  const auto call = [this](const char* who) {
    ClassifyRequest request = PixelRequest(2);
    request.identity = who;
    return Call(std::move(request)).status();
  };
  EXPECT_TRUE(call("a").ok());
  const absl::Status refused = call("a");
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RejectionLabel(refused), "quota");
  EXPECT_FALSE(classifier_->Check({.images = 2, .identity = "a"}).ok());
  EXPECT_TRUE(classifier_->Check({.images = 2, .identity = "b"}).ok());
  EXPECT_TRUE(call("b").ok());
  EXPECT_THAT(
      telemetry_->Expose(),
      testing::HasSubstr("rejected_total{model=\"fake\",reason=\"quota\"} 2"));
}

TEST_F(ClassifierTest, AFloodLeavesAnotherCallerItsShare) {
  ClassifierOptions options;
  options.max_batch = 1;
  options.queue.max_wait = std::chrono::milliseconds(500);
  Start(options, [](std::size_t) {
    const SteadyTime end = RealClock().Now() + std::chrono::milliseconds(2);
    while (RealClock().Now() < end) {
      std::this_thread::yield();
    }
    return absl::OkStatus();
  });
  // Until the queue is full of it, and again as soon as there is room.
  std::atomic<bool> stop{false};
  std::atomic<int> refused{0};
  std::jthread flood([&] {
    while (!stop.load()) {
      ClassifyRequest request = PixelRequest(4);
      request.identity = "flood";
      request.arrived = RealClock().Now();
      classifier_->Classify(std::move(request), [&](const auto& answer) {
        refused += answer.ok() ? 0 : 1;
      });
      std::this_thread::yield();
    }
  });
  while (refused.load() < 10) {
    std::this_thread::yield();
  }
  for (int i = 0; i < 20; ++i) {
    ClassifyRequest request = PixelRequest(1);
    request.identity = "other";
    EXPECT_TRUE(Call(std::move(request)).ok()) << i;
  }
  stop.store(true);
  flood.join();
  classifier_.reset();
}

}  // namespace
}  // namespace resnetd
