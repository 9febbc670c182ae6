#include "server/rpc/model_watches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/rpc/upload.h"

namespace resnetd {
namespace {

using testing::AllOf;
using testing::Each;
using testing::Key;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

v1::WatchModelsRequest After(std::int64_t sequence,
                             const std::vector<std::string>& models = {}) {
  v1::WatchModelsRequest request;
  request.set_after_sequence(sequence);
  for (const std::string& model : models) {
    request.add_models(model);
  }
  return request;
}

// One call of WatchModels.
class Watching {
 public:
  Watching(v1::ModelService::Stub& stub,
           const v1::WatchModelsRequest& request) {
    // A test that would wait for ever fails instead.
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(20));
    reader_ = stub.WatchModels(&context_, request);
  }

  // Until the server has taken the call.
  void AwaitOpen() { reader_->WaitForInitialMetadata(); }
  // The sequence of the next event; 0: the stream has ended.
  std::int64_t Next() {
    v1::WatchModelsResponse message;
    if (!reader_->Read(&message)) {
      return 0;
    }
    event_ = message.event();
    return event_.sequence();
  }
  const v1::ModelEvent& event() const { return event_; }
  grpc::Status Finish() { return reader_->Finish(); }
  void Cancel() { context_.TryCancel(); }
  grpc::ClientContext& context() { return context_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchModelsResponse>> reader_;
  v1::ModelEvent event_;
};

class ModelWatchesTest : public RpcTest {
 protected:
  grpc::Status ErrorOf(const v1::WatchModelsRequest& request) {
    Watching watch(*models_, request);
    EXPECT_EQ(watch.Next(), 0);
    return watch.Finish();
  }
};

TEST_F(ModelWatchesTest, TellsWhatHasHappenedAndThenWhatHappens) {
  ListenReady();
  manager_.Add("net", "one");
  Watching watch(*models_, After(0));
  ASSERT_EQ(watch.Next(), 1);
  EXPECT_EQ(watch.event().kind(), v1::MODEL_EVENT_KIND_VERSION_IMPORTED);
  EXPECT_EQ(watch.event().model(), "models/net");
  EXPECT_EQ(watch.event().version(), 1);
  EXPECT_EQ(watch.event().weights_sha256(), FakeModelManager::DigestOf("one"));
  EXPECT_TRUE(watch.event().has_time());
  manager_.Add("net", "two");
  EXPECT_EQ(watch.Next(), 2);
  v1::SetAliasRequest move;
  move.set_name("models/net/aliases/stable");
  move.set_version(2);
  ASSERT_TRUE(Call(&v1::ModelService::Stub::SetAlias, move).ok());
  ASSERT_EQ(watch.Next(), 3);
  EXPECT_EQ(watch.event().kind(), v1::MODEL_EVENT_KIND_ALIAS_SET);
  EXPECT_EQ(watch.event().alias(), "stable");
  EXPECT_EQ(watch.event().version(), 2);
  EXPECT_EQ(watch.event().previous_version(), 1);
  EXPECT_EQ(watch.event().generation(), 2);
}

TEST_F(ModelWatchesTest, GoesOnWhereAnEarlierOneEnded) {
  ListenReady();
  manager_.AddEvents("net", 200);
  std::int64_t seen = 0;
  for (const int reads : {1, 63, 64, 65}) {
    Watching watch(*models_, After(seen));
    for (int i = 0; i < reads; ++i) {
      ASSERT_EQ(watch.Next(), seen + 1);
      ++seen;
    }
    watch.Cancel();
  }
  EXPECT_EQ(seen, 193);
}

TEST_F(ModelWatchesTest, AWatchFromTheListMissesNothing) {
  ListenReady();
  manager_.Add("net", "one");
  v1::ListModelsResponse list;
  ASSERT_TRUE(
      Call(&v1::ModelService::Stub::ListModels, v1::ListModelsRequest(), &list)
          .ok());
  EXPECT_EQ(list.event_sequence(), 1);
  manager_.Add("net", "two");
  Watching watch(*models_, After(list.event_sequence()));
  EXPECT_EQ(watch.Next(), 2);
}

TEST_F(ModelWatchesTest, TellsOfTheModelsNamedOnly) {
  ListenReady();
  manager_.AddEvents("a", 100);
  manager_.AddEvents("b", 1);
  manager_.AddEvents("a", 100);
  manager_.AddEvents("c", 1);
  Watching watch(*models_, After(0, {"models/b", "models/later", "models/c"}));
  EXPECT_EQ(watch.Next(), 101);
  EXPECT_EQ(watch.Next(), 202);
  manager_.AddEvents("a", 1);
  manager_.AddEvents("later", 1);
  EXPECT_EQ(watch.Next(), 204);
}

TEST_F(ModelWatchesTest, RefusesEveryWrongFieldAtOnce) {
  ListenReady();
  const grpc::Status status =
      ErrorOf(After(-1, {"models/a", "b", "models/c/versions/1"}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(ViolationsOf(status),
              UnorderedElementsAre(Key("after_sequence"), Key("models[1]"),
                                   Key("models[2]")));
}

TEST_F(ModelWatchesTest, NamesUpToAThousandModels) {
  ListenReady();
  manager_.AddEvents("m", 1);
  std::vector<std::string> models(kMaxWatchedModels - 1, "models/x");
  models.emplace_back("models/m");
  Watching watch(*models_, After(0, models));
  EXPECT_EQ(watch.Next(), 1);
  models.emplace_back("models/m");
  const grpc::Status status = ErrorOf(After(0, models));
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_EQ(MetadataOf(status)["limit"], "1000");
}

TEST_F(ModelWatchesTest, EndsWhereEventsAreNoLongerKept) {
  ListenReady();
  manager_.AddEvents("net", 10);
  manager_.ForgetEventsBefore(5);
  const grpc::Status status = ErrorOf(After(3));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(status), "EVENTS_EXPIRED");
  EXPECT_EQ(MetadataOf(status)["oldest"], "5");
  Watching watch(*models_, After(4));
  EXPECT_EQ(watch.Next(), 5);
}

TEST_F(ModelWatchesTest, FromZeroBeginsWithTheOldestEventThatIsKept) {
  ListenReady();
  manager_.AddEvents("net", 10);
  manager_.ForgetEventsBefore(5);
  Watching watch(*models_, After(0));
  EXPECT_EQ(watch.Next(), 5);
}

TEST_F(ModelWatchesTest, RefusesAPlaceThatTheStoreNeverReached) {
  ListenReady();
  manager_.AddEvents("net", 10);
  const grpc::Status status = ErrorOf(After(11));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(status), "EVENTS_EXPIRED");
  EXPECT_EQ(MetadataOf(status)["last"], "10");
  Watching watch(*models_, After(10));
  watch.AwaitOpen();
  manager_.AddEvents("net", 1);
  EXPECT_EQ(watch.Next(), 11);
}

TEST_F(ModelWatchesTest, AnErrorOfTheStoreEndsTheStream) {
  ListenReady();
  manager_.Fail("Events", Error(absl::StatusCode::kDataLoss,
                                Reason::kStoreCorrupt, "damaged"));
  EXPECT_EQ(ReasonOf(ErrorOf(After(0))), "STORE_CORRUPT");
}

TEST_F(ModelWatchesTest, SaysThatItStandsBeforeTheFirstEvent) {
  ListenReady();
  Watching watch(*models_, After(0));
  watch.AwaitOpen();
  EXPECT_EQ(watch.context().GetServerInitialMetadata().count("x-request-id"),
            1U);
}

TEST_F(ModelWatchesTest, AlsoWatchesWhileTheServerStarts) {
  Listen();
  Watching watch(*models_, After(0));
  manager_.AddEvents("net", 1);
  EXPECT_EQ(watch.Next(), 1);
}

TEST_F(ModelWatchesTest, ADrainEndsWatchesOfEveryKind) {
  ListenReady();
  Watching idle(*models_, After(0));
  idle.AwaitOpen();
  manager_.AddEvents("net", 20'000);
  // Has not read; the events fill what gRPC holds for it.
  Watching slow(*models_, After(0));
  slow.AwaitOpen();
  // Would wait for the slow one for an hour.
  server_->Drain(Duration::zero(), std::chrono::hours(1));
  std::int64_t last = 0;
  while (const std::int64_t next = idle.Next()) {
    EXPECT_EQ(next, last + 1);
    last = next;
  }
  const grpc::Status status = idle.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  while (slow.Next() != 0) {
  }
  EXPECT_FALSE(slow.Finish().ok());
  EXPECT_EQ(telemetry_.in_flight(), 0);
}

TEST_F(ModelWatchesTest, AnIdleWatchLearnsThatTheServerDrains) {
  ListenReady();
  Watching watch(*models_, After(0));
  watch.AwaitOpen();
  manager_.AwaitCalls("Events", 1);
  server_->Drain(Duration::zero(), std::chrono::hours(1));
  EXPECT_EQ(watch.Next(), 0);
  const grpc::Status status = watch.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "DRAINING");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(status).has_value());
}

TEST_F(ModelWatchesTest, NoWatchBeginsOnceTheServerDrains) {
  ListenReady();
  Upload upload(*models_);
  upload.Header(HeaderOf("xy"));
  manager_.AwaitCalls("Import", 1);
  auto drained = std::async(std::launch::async, [this] {
    server_->Drain(Duration::zero(), std::chrono::seconds(20));
  });
  while (true) {
    Watching watch(*models_, After(0));
    watch.AwaitOpen();
    // Ended by the drain, or not begun at all.
    EXPECT_EQ(watch.Next(), 0);
    EXPECT_EQ(ReasonOf(watch.Finish()), "DRAINING");
    v1::GetServerInfoResponse info;
    grpc::ClientContext context;
    ASSERT_TRUE(server_info_->GetServerInfo(&context, {}, &info).ok());
    if (!info.ready()) {
      break;
    }
  }
  EXPECT_EQ(ReasonOf(ErrorOf(After(0))), "DRAINING");
  upload.Chunk("xy");
  EXPECT_TRUE(upload.Finish().ok());
  drained.get();
}

TEST_F(ModelWatchesTest, ASlowClientHoldsBackTheReadingOfTheStore) {
  ListenReady();
  constexpr int kEvents = 200'000;
  manager_.AddEvents("net", kEvents);
  Watching slow(*models_, After(0));
  slow.AwaitOpen();
  manager_.AwaitCalls("Events", 1);
  // Another client reads everything meanwhile.
  Watching quick(*models_, After(kEvents - 20'000));
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_NE(quick.Next(), 0);
  }
  // 64 events a read; all of them would be 3125 + 313.
  EXPECT_LT(manager_.calls("Events"), 2000U);
  for (std::int64_t i = 1; i <= 5000; ++i) {
    ASSERT_EQ(slow.Next(), i);
  }
}

TEST_F(ModelWatchesTest, AHundredWatchersSeeEveryEvent) {
  ListenReady();
  std::vector<std::unique_ptr<Watching>> watches;
  for (int i = 0; i < 100; ++i) {
    watches.push_back(std::make_unique<Watching>(*models_, After(0)));
  }
  auto changer = std::async(std::launch::async, [this] {
    for (int i = 0; i < 50; ++i) {
      manager_.AddEvents("net", 1);
    }
  });
  for (const auto& watch : watches) {
    for (std::int64_t i = 1; i <= 50; ++i) {
      ASSERT_EQ(watch->Next(), i);
    }
  }
  changer.get();
}

TEST_F(ModelWatchesTest, CancelsAtAnyTimeLeaveNothing) {
  ListenReady();
  std::atomic<int> taken = 0;
  telemetry_.SetOnStarted([&taken](absl::string_view) { ++taken; });
  auto changer = std::async(std::launch::async, [this] {
    for (int i = 0; i < 2000; ++i) {
      manager_.AddEvents("net", 1);
    }
  });
  for (int i = 0; i < 100; ++i) {
    Watching watch(*models_, After(0));
    // A call that is cancelled before the server takes it is none of its own.
    while (taken <= i) {
      std::this_thread::yield();
    }
    if (i % 3 > 0) {
      watch.AwaitOpen();
    }
    if (i % 3 > 1) {
      EXPECT_EQ(watch.Next(), 1);
    }
    watch.Cancel();
    EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  changer.get();
  while (telemetry_.in_flight() > 0) {
    std::this_thread::yield();
  }
  EXPECT_THAT(telemetry_.ended(),
              AllOf(SizeIs(100),
                    Each(Pair("WatchModels", absl::StatusCode::kCancelled))));
}

TEST_F(ModelWatchesTest, WhatIsCancelledOnItsWayToTheServerLeavesNothing) {
  ListenReady();
  std::atomic<std::size_t> taken = 0;
  telemetry_.SetOnStarted([&taken](absl::string_view) { ++taken; });
  for (int i = 0; i < 100; ++i) {
    Watching watch(*models_, After(0));
    watch.Cancel();
    EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  // Its end waits for every call that came all the same.
  server_.reset();
  EXPECT_EQ(telemetry_.in_flight(), 0);
  EXPECT_EQ(telemetry_.ended().size(), taken.load());
}

TEST_F(ModelWatchesTest, AnIdleWatchThatIsCancelledGivesItsPlaceBack) {
  GrpcServerOptions options = LoopbackOptions();
  options.calls.max_calls_per_connection = 1;
  ListenReady(options);
  Watching first(*models_, After(0));
  first.AwaitOpen();
  const grpc::Status refused = ErrorOf(After(0));
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(MetadataOf(refused)["limit_name"], "max-calls-per-connection");
  first.Cancel();
  EXPECT_FALSE(first.Finish().ok());
  manager_.AddEvents("net", 1);
  // The server learns of the cancellation a moment later.
  while (true) {
    Watching next(*models_, After(0));
    if (next.Next() == 1) {
      break;
    }
    ASSERT_EQ(next.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
}

}  // namespace
}  // namespace resnetd
