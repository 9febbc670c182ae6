#include "server/rpc/call_gate.h"

#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/unit/rpc/call_gate_fixture.h"

namespace resnetd {
namespace {

constexpr CallLimits kLimits{
    .max_calls = 4, .max_calls_per_connection = 2, .max_bytes_held = 100};

TEST(CallGateTest, LetsNobodyInBeforeItServesButCallsThatAreAlwaysTaken) {
  CallGate gate(kLimits);
  const auto refused = gate.Enter(From("a"), 1, Availability::kWhenServing);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(RefusalOf(refused.status()), "STARTING");
  EXPECT_TRUE(DetailsOf(refused.status()).retry_after.has_value());
  EXPECT_TRUE(gate.Enter(From("a"), 1, Availability::kAlways).ok());
  gate.SetState(ServingState::kServing);
  EXPECT_TRUE(gate.Enter(From("a"), 1, Availability::kWhenServing).ok());
}

TEST(CallGateTest, DrainingIsFinal) {
  CallGate gate(kLimits, ServingState::kServing);
  gate.SetState(ServingState::kDraining);
  gate.SetState(ServingState::kServing);
  EXPECT_EQ(gate.state(), ServingState::kDraining);
  const auto refused = gate.Enter(From("a"), 1, Availability::kWhenServing);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(RefusalOf(refused.status()), "DRAINING");
  EXPECT_TRUE(gate.Enter(From("a"), 1, Availability::kAlways).ok());
}

TEST(CallGateTest, BoundsTheCallsOfAConnectionAndOfAll) {
  CallGate gate(kLimits, ServingState::kServing);
  std::vector<CallGate::Ticket> tickets;
  for (const char* connection : {"a", "a", "b"}) {
    auto ticket = gate.Enter(From(connection), 0, Availability::kWhenServing);
    ASSERT_TRUE(ticket.ok());
    tickets.push_back(*std::move(ticket));
  }
  const auto third = gate.Enter(From("a"), 0, Availability::kWhenServing);
  EXPECT_EQ(third.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RefusalOf(third.status()), "OVERLOADED");
  EXPECT_EQ(LimitOf(third.status()), "max-calls-per-connection");
  EXPECT_TRUE(DetailsOf(third.status()).retry_after.has_value());

  auto fourth = gate.Enter(From("c"), 0, Availability::kWhenServing);
  ASSERT_TRUE(fourth.ok());
  tickets.push_back(*std::move(fourth));
  const auto fifth = gate.Enter(From("d"), 0, Availability::kWhenServing);
  EXPECT_EQ(LimitOf(fifth.status()), "max-calls");

  tickets.clear();
  EXPECT_EQ(gate.calls(), 0U);
  EXPECT_TRUE(gate.Enter(From("a"), 0, Availability::kWhenServing).ok());
}

// A client opens its next call as soon as it has an answer, before the answered
// one is over here.
TEST(CallGateTest, AnAnsweredCallMakesRoomOnItsConnection) {
  CallGate gate({.max_calls = 5, .max_calls_per_connection = 2},
                ServingState::kServing);
  std::vector<CallGate::Ticket> tickets;
  const auto enter = [&] {
    auto ticket = gate.Enter(From("a"), 0, Availability::kWhenServing);
    if (!ticket.ok()) {
      return LimitOf(ticket.status());
    }
    tickets.push_back(*std::move(ticket));
    return std::string();
  };
  EXPECT_EQ(enter(), "");
  EXPECT_EQ(enter(), "");
  EXPECT_EQ(enter(), "max-calls-per-connection");
  tickets[0].Answered();
  // Once for each call.
  tickets[0].Answered();
  EXPECT_EQ(enter(), "");
  EXPECT_EQ(enter(), "max-calls-per-connection");
  tickets[1].Answered();
  EXPECT_EQ(enter(), "");
  EXPECT_EQ(enter(), "max-calls-per-connection");
  tickets[2].Answered();
  EXPECT_EQ(enter(), "");
  // All of them count for the server.
  EXPECT_EQ(gate.calls(), 5U);
  tickets[3].Answered();
  EXPECT_EQ(enter(), "max-calls");
  EXPECT_FALSE(gate.WaitUntilIdle(std::chrono::steady_clock::now()));
  // What was answered leaves nothing behind.
  tickets.clear();
  EXPECT_EQ(enter(), "");
  EXPECT_EQ(enter(), "");
  EXPECT_EQ(enter(), "max-calls-per-connection");
}

TEST(CallGateTest, AnAnsweredCallIsLetGoWhereItsTicketWentTo) {
  CallGate gate({.max_calls_per_connection = 1}, ServingState::kServing);
  auto first = gate.Enter(From("a"), 0, Availability::kWhenServing);
  ASSERT_TRUE(first.ok());
  first->Answered();
  {
    CallGate::Ticket moved = *std::move(first);
    CallGate::Ticket assigned;
    assigned = std::move(moved);
    EXPECT_TRUE(gate.Enter(From("a"), 0, Availability::kWhenServing).ok());
  }
  EXPECT_EQ(gate.calls(), 0U);
  const auto only = gate.Enter(From("a"), 0, Availability::kWhenServing);
  EXPECT_TRUE(only.ok());
  EXPECT_FALSE(gate.Enter(From("a"), 0, Availability::kWhenServing).ok());
  // Of no call.
  CallGate::Ticket().Answered();
}

class CallGateFloodTest : public testing::Test {
 protected:
  CallGateFloodTest()
      : gate_({.max_calls_per_connection = 3, .max_streams_per_connection = 3},
              ServingState::kServing, [this](const std::string& connection) {
                flooding_.push_back(connection);
              }) {}

  // So many calls that stay.
  void Hold(std::size_t count, bool is_part = false) {
    for (std::size_t i = 0; i < count; ++i) {
      auto ticket =
          gate_.Enter({.connection = "a", .identity = "x", .is_part = is_part},
                      0, Availability::kWhenServing);
      ASSERT_TRUE(ticket.ok()) << ticket.status();
      tickets_.push_back(*std::move(ticket));
    }
  }
  void BeRefused(std::size_t count, bool is_part = false) {
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_FALSE(
          gate_
              .Enter({.connection = "a", .identity = "x", .is_part = is_part},
                     0, Availability::kWhenServing)
              .ok());
    }
  }

  std::vector<std::string> flooding_;
  CallGate gate_;
  std::vector<CallGate::Ticket> tickets_;
};

TEST_F(CallGateFloodTest, WhoOpensTwiceTheStreamsItWasToldIsNamedOnce) {
  Hold(3);
  BeRefused(2);
  EXPECT_TRUE(flooding_.empty());
  BeRefused(1);
  EXPECT_EQ(flooding_, std::vector<std::string>{"a"});
  BeRefused(10);
  EXPECT_EQ(flooding_.size(), 1U);
}

TEST_F(CallGateFloodTest, ACallThatIsLetInBetweenShowsThatTheClientListens) {
  Hold(3);
  for (int round = 0; round < 5; ++round) {
    BeRefused(2);
    tickets_.pop_back();
    Hold(1);
  }
  EXPECT_TRUE(flooding_.empty());
}

TEST_F(CallGateFloodTest, MessagesOfAStreamAreNoStreams) {
  Hold(1);
  Hold(2, /*is_part=*/true);
  BeRefused(20);
  BeRefused(20, /*is_part=*/true);
  EXPECT_TRUE(flooding_.empty());
  tickets_.clear();
  Hold(3);
  BeRefused(20, /*is_part=*/true);
  EXPECT_TRUE(flooding_.empty());
}

TEST(CallGateTest, BoundsTheBytesHeld) {
  CallGate gate(kLimits, ServingState::kServing);
  EXPECT_TRUE(gate.Enter(From("a"), 99, Availability::kWhenServing).ok());
  EXPECT_TRUE(gate.Enter(From("a"), 100, Availability::kWhenServing).ok());
  EXPECT_EQ(gate.bytes_held(), 0U);
  const auto first = gate.Enter(From("a"), 40, Availability::kWhenServing);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(gate.Enter(From("b"), 59, Availability::kWhenServing).ok());
  EXPECT_TRUE(gate.Enter(From("b"), 60, Availability::kWhenServing).ok());
  const auto refused = gate.Enter(From("b"), 61, Availability::kWhenServing);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(LimitOf(refused.status()), "max-bytes-held");
  EXPECT_TRUE(DetailsOf(refused.status()).retry_after.has_value());
  EXPECT_EQ(gate.calls(), 1U);
}

// Trying again cannot help.
void ExpectNeverFits(const absl::Status& status, const std::string& flag) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(RefusalOf(status), "LIMIT_EXCEEDED");
  EXPECT_EQ(LimitOf(status), flag);
  EXPECT_FALSE(DetailsOf(status).retry_after.has_value());
}

TEST(CallGateTest, ACallThatWouldNotFitAloneIsNotToldToTryAgain) {
  const auto enter = [](CallGate& gate, std::size_t bytes) {
    return gate.Enter(From("a"), bytes, Availability::kWhenServing);
  };
  CallGate small_server(
      {.max_bytes_held = 100, .max_bytes_held_per_client = 100},
      ServingState::kServing);
  EXPECT_TRUE(enter(small_server, 99).ok());
  EXPECT_TRUE(enter(small_server, 100).ok());
  ExpectNeverFits(enter(small_server, 101).status(), "max-bytes-held");
  CallGate small_share({.max_bytes_held = 100, .max_bytes_held_per_client = 60},
                       ServingState::kServing);
  for (const std::size_t first : {0U, 40U}) {
    auto ticket = enter(small_share, first);
    ASSERT_TRUE(ticket.ok());
    EXPECT_TRUE(ticket->Charge(59 - first).ok());
    EXPECT_TRUE(ticket->Charge(1).ok());
    ExpectNeverFits(ticket->Charge(1), "max-bytes-held-per-client");
    // What others hold does not make it a matter of time.
    ExpectNeverFits(enter(small_share, 61).status(),
                    "max-bytes-held-per-client");
    EXPECT_EQ(small_share.bytes_held(), 60U);
  }
  EXPECT_EQ(enter(small_share, 61).status().message(),
            "the call needs 61 bytes of memory, more than the limit of 60 "
            "(--max-bytes-held-per-client): send fewer images, or less, in one "
            "call");
}

TEST(CallGateTest, ChargesMoreBytesToATicketAndGivesAllBack) {
  CallGate gate(kLimits, ServingState::kServing);
  {
    auto ticket = gate.Enter(From("a"), 60, Availability::kWhenServing);
    ASSERT_TRUE(ticket.ok());
    EXPECT_TRUE(ticket->Charge(39).ok());
    EXPECT_TRUE(ticket->Charge(1).ok());
    EXPECT_FALSE(ticket->Charge(1).ok());
    EXPECT_EQ(gate.bytes_held(), 100U);
    const CallGate::Ticket moved = *std::move(ticket);
    EXPECT_EQ(gate.bytes_held(), 100U);
    EXPECT_EQ(gate.calls(), 1U);
  }
  EXPECT_EQ(gate.bytes_held(), 0U);
  EXPECT_EQ(gate.calls(), 0U);
}

TEST(CallGateTest, AnAnswerTakesThePlaceOfItsRequest) {
  CallGate gate(kLimits, ServingState::kServing);
  const auto other = gate.Enter(From("b"), 10, Availability::kWhenServing);
  auto ticket = gate.Enter(From("a"), 60, Availability::kWhenServing);
  ASSERT_TRUE(ticket.ok());
  const std::vector<std::pair<std::size_t, std::size_t>> cases = {
      {0, 70}, {59, 70}, {60, 70}, {61, 71}, {90, 100}};
  for (const auto& [bytes, held] : cases) {
    EXPECT_TRUE(ticket->Cover(bytes).ok());
    EXPECT_EQ(gate.bytes_held(), held) << bytes;
  }
  EXPECT_EQ(ticket->Cover(91).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(gate.bytes_held(), 100U);
  // Of no call.
  EXPECT_TRUE(CallGate::Ticket().Cover(1000).ok());
}

TEST(CallGateTest, BoundsTheCallsOfAClientOverItsConnections) {
  CallGate gate({.max_calls_per_connection = 2, .max_calls_per_client = 3},
                ServingState::kServing);
  std::vector<CallGate::Ticket> tickets;
  const auto enter = [&](const char* connection, const char* client) {
    auto ticket = gate.Enter({.connection = connection, .identity = client}, 0,
                             Availability::kWhenServing);
    if (!ticket.ok()) {
      return ticket.status();
    }
    tickets.push_back(*std::move(ticket));
    return absl::OkStatus();
  };
  // One below the limit, at it, above it.
  EXPECT_TRUE(enter("1", "a").ok());
  EXPECT_TRUE(enter("1", "a").ok());
  EXPECT_TRUE(enter("2", "a").ok());
  const absl::Status refused = enter("3", "a");
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RefusalOf(refused), "OVERLOADED");
  EXPECT_EQ(LimitOf(refused), "max-calls-per-client");
  EXPECT_TRUE(DetailsOf(refused).retry_after.has_value());
  EXPECT_TRUE(enter("4", "b").ok());
  tickets.erase(tickets.begin());
  EXPECT_TRUE(enter("3", "a").ok());
}

TEST(CallGateTest, BoundsTheBytesOfAClient) {
  CallGate gate({.max_bytes_held = 100, .max_bytes_held_per_client = 40},
                ServingState::kServing);
  const auto enter = [&gate](const char* connection, const char* client,
                             std::size_t bytes) {
    return gate.Enter({.connection = connection, .identity = client}, bytes,
                      Availability::kWhenServing);
  };
  EXPECT_TRUE(enter("1", "a", 39).ok());
  EXPECT_TRUE(enter("1", "a", 40).ok());
  auto first = enter("1", "a", 30);
  ASSERT_TRUE(first.ok());
  const auto refused = enter("2", "a", 11);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(LimitOf(refused.status()), "max-bytes-held-per-client");
  EXPECT_TRUE(enter("2", "a", 9).ok());
  EXPECT_TRUE(enter("2", "a", 10).ok());
  EXPECT_TRUE(enter("2", "b", 40).ok());
  // What is charged later counts as well.
  EXPECT_TRUE(first->Charge(10).ok());
  EXPECT_EQ(LimitOf(first->Charge(1)), "max-bytes-held-per-client");
  EXPECT_FALSE(enter("2", "a", 1).ok());
  EXPECT_TRUE(enter("2", "a", 0).ok());
}

TEST(CallGateTest, WaitsForTheLastCall) {
  CallGate gate(kLimits, ServingState::kServing);
  EXPECT_TRUE(gate.WaitUntilIdle(std::chrono::steady_clock::now()));
  std::optional<CallGate::Ticket> ticket =
      gate.Enter(From("a"), 1, Availability::kWhenServing).value();
  EXPECT_FALSE(gate.WaitUntilIdle(std::chrono::steady_clock::now()));
  std::latch waiting(1);
  std::jthread leaver([&] {
    waiting.wait();
    ticket.reset();
  });
  waiting.count_down();
  EXPECT_TRUE(gate.WaitUntilIdle(std::chrono::steady_clock::now() +
                                 std::chrono::seconds(30)));
}

TEST(CallGateTest, NeverExceedsItsLimitsUnderConcurrency) {
  CallGate gate(
      {.max_calls = 3, .max_calls_per_connection = 2, .max_bytes_held = 100},
      ServingState::kServing);
  std::vector<std::jthread> threads;
  std::latch start(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&gate, &start, t] {
      start.arrive_and_wait();
      for (int i = 0; i < 5000; ++i) {
        const auto ticket = gate.Enter(From(absl::StrCat("c", (t + i) % 3)), 40,
                                       Availability::kWhenServing);
        EXPECT_LE(gate.calls(), 3U);
        EXPECT_LE(gate.bytes_held(), 100U);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(gate.calls(), 0U);
  EXPECT_EQ(gate.bytes_held(), 0U);
}

}  // namespace
}  // namespace resnetd
