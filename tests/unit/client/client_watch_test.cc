// WatchModels of the client library.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "tests/unit/client/client_fixture.h"
#include "tests/unit/client/fake_server.h"

namespace resnetd::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ClientWatchTest : public ClientFixture<> {
 protected:
  // Every import makes one event, the first of a model two.
  void Import(const std::string& content, const std::string& model = "cats") {
    const std::string bytes = test::FakeWeights(2, content);
    std::istringstream input(bytes);
    const auto imported =
        client_.ImportVersion(ImportOf(bytes, model), SourceOf(input));
    ASSERT_TRUE(imported.ok()) << imported.status();
  }

  // Watches until `count` events have come.
  absl::Status Take(const WatchRequest& request, std::size_t count) {
    return client_.WatchModels(
        request, {.on_event = [this, count](const ModelEvent& event) {
          events_.push_back(event);
          return events_.size() < count;
        }});
  }

  std::vector<std::int64_t> Sequences() const {
    std::vector<std::int64_t> sequences;
    for (const ModelEvent& event : events_) {
      sequences.push_back(event.sequence);
    }
    return sequences;
  }

  Client client_ = Connect();
  std::vector<ModelEvent> events_;
};

TEST_F(ClientWatchTest, TellsWhatHasHappened) {
  Import("a");
  ASSERT_TRUE(Take({.after_sequence = 2}, 2).ok());
  EXPECT_THAT(Sequences(), ElementsAre(3, 4));
  EXPECT_EQ(events_[0].kind, ModelEventKind::kVersionImported);
  EXPECT_EQ(events_[0].model, "models/cats");
  EXPECT_EQ(events_[0].version, 1);
  EXPECT_EQ(events_[1].kind, ModelEventKind::kAliasSet);
  EXPECT_EQ(events_[1].alias, "stable");
  EXPECT_EQ(events_[1].generation, 1);
  EXPECT_EQ(events_[1].previous_version, 0);
}

TEST_F(ClientWatchTest, TellsOnlyOfTheModelsAskedFor) {
  Import("a", "cats");
  Import("a", "dogs");
  ASSERT_TRUE(
      Take({.after_sequence = 0, .models = {"dogs", "models/cows"}}, 1).ok());
  EXPECT_EQ(events_[0].model, "models/dogs");
}

TEST_F(ClientWatchTest, TellsOnlyWhatHappensFromNowOn) {
  Import("a");
  ASSERT_TRUE(client_
                  .WatchModels({}, {.on_event =
                                        [this](const ModelEvent& event) {
                                          events_.push_back(event);
                                          return false;
                                        },
                                    .on_connected =
                                        [this](std::int64_t after_sequence) {
                                          EXPECT_EQ(after_sequence, 4);
                                          Import("b");
                                        }})
                  .ok());
  EXPECT_THAT(Sequences(), ElementsAre(5));
}

TEST_F(ClientWatchTest, GoesOnBehindTheLastEventWhenTheConnectionBreaks) {
  Import("a");
  int connected = 0;
  ASSERT_TRUE(client_
                  .WatchModels({.after_sequence = 0},
                               {.on_event =
                                    [this](const ModelEvent& event) {
                                      events_.push_back(event);
                                      fake_.models().BreakWatches();
                                      return event.sequence < 5;
                                    },
                                .on_connected =
                                    [this, &connected](std::int64_t /*after*/) {
                                      // Not before: a watch that breaks
                                      // still tells what has happened.
                                      if (++connected == 2) {
                                        Import("b");
                                      }
                                    }})
                  .ok());
  EXPECT_THAT(Sequences(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_GE(connected, 2);
  EXPECT_EQ(fake_.models().watches(), connected);
}

TEST_F(ClientWatchTest, WaitsForAServerThatIsAway) {
  std::atomic<bool> away = false;
  int told = 0;
  fake_.models().before = [&away](const std::string& /*method*/) {
    return away ? test::ToGrpc(test::RichError(grpc::StatusCode::UNAVAILABLE,
                                               "away", "STARTING"))
                : grpc::Status::OK;
  };
  ASSERT_TRUE(client_
                  .WatchModels({.after_sequence = 0},
                               {.on_event =
                                    [&](const ModelEvent& event) {
                                      events_.push_back(event);
                                      if (event.sequence == 2) {
                                        away = true;
                                        fake_.models().BreakWatches();
                                      }
                                      return event.sequence < 3;
                                    },
                                .on_broken =
                                    [&](const absl::Status& why) {
                                      EXPECT_TRUE(absl::IsUnavailable(why));
                                      ++told;
                                      away = false;
                                      Import("a");
                                    }})
                  .ok());
  EXPECT_THAT(Sequences(), ElementsAre(1, 2, 3));
  EXPECT_EQ(told, 1);
}

TEST_F(ClientWatchTest, EndsWhenItIsStopped) {
  std::stop_source stop;
  std::latch watching(1);
  absl::Status status = absl::UnknownError("");
  std::thread watcher([&] {
    status = client_.WatchModels(
        {.after_sequence = 2},
        {.on_event = [](const ModelEvent& /*event*/) { return true; },
         .on_connected =
             [&watching](std::int64_t /*after*/) { watching.count_down(); }},
        stop.get_token());
  });
  watching.wait();
  stop.request_stop();
  watcher.join();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(ClientWatchTest, EndsWhenItIsStoppedWhileTheServerIsAway) {
  std::stop_source stop;
  fake_.models().before = [this](const std::string& method) {
    return method == "ListModels" && fake_.models().watches() > 0
               ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "away")
               : grpc::Status::OK;
  };
  EXPECT_TRUE(client_
                  .WatchModels({.after_sequence = 0},
                               {.on_event =
                                    [this](const ModelEvent& /*event*/) {
                                      fake_.models().BreakWatches();
                                      return true;
                                    },
                                .on_broken =
                                    [&stop](const absl::Status& /*why*/) {
                                      stop.request_stop();
                                    }},
                               stop.get_token())
                  .ok());
}

TEST_F(ClientWatchTest, TellsThatEventsAreNoLongerKept) {
  Import("a");
  fake_.models().ExpireEvents(2);
  const absl::Status error = Take({.after_sequence = 0}, 1);
  EXPECT_TRUE(absl::IsOutOfRange(error)) << error;
  EXPECT_EQ(ErrorInfoOf(error).Metadata("oldest"), "3");
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(ClientWatchTest, NoticesAServerThatComesBackWithAnotherStore) {
  const absl::Status error = client_.WatchModels(
      {.after_sequence = 0}, {.on_event = [this](const ModelEvent& event) {
        if (event.sequence == 2) {
          fake_.models().BeginAnew();
          fake_.models().BreakWatches();
        }
        return true;
      }});
  EXPECT_TRUE(absl::IsAborted(error)) << error;
  EXPECT_EQ(ErrorInfoOf(error).reason, kReasonOtherStore);
  EXPECT_THAT(std::string(error.message()),
              HasSubstr("its last event is 0, 2 was seen before"));
}

TEST_F(ClientWatchTest, FailsAtOnceWhenThereIsNoServer) {
  Client client = *Client::Create({.server = "localhost:1"});
  const absl::Status error = client.WatchModels(
      {}, {.on_event = [](const ModelEvent& /*event*/) { return true; }});
  EXPECT_EQ(ErrorInfoOf(error).reason, kReasonNoConnection);
}

}  // namespace
}  // namespace resnetd::client
