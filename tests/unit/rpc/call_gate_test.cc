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

namespace resnetd {
namespace {

constexpr CallLimits kLimits{
    .max_calls = 4, .max_calls_per_connection = 2, .max_bytes_held = 100};

std::string ReasonOf(const absl::Status& status) {
  return DetailsOf(status).reason;
}

std::string LimitOf(const absl::Status& status) {
  for (const auto& [key, value] : DetailsOf(status).metadata) {
    if (key == "limit_name") {
      return value;
    }
  }
  return "";
}

TEST(CallGateTest, LetsNobodyInBeforeItServesButCallsThatAreAlwaysTaken) {
  CallGate gate(kLimits);
  const auto refused = gate.Enter("a", 1, Availability::kWhenServing);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(refused.status()), "STARTING");
  EXPECT_TRUE(DetailsOf(refused.status()).retry_after.has_value());
  EXPECT_TRUE(gate.Enter("a", 1, Availability::kAlways).ok());
  gate.SetState(ServingState::kServing);
  EXPECT_TRUE(gate.Enter("a", 1, Availability::kWhenServing).ok());
}

TEST(CallGateTest, DrainingIsFinal) {
  CallGate gate(kLimits, ServingState::kServing);
  gate.SetState(ServingState::kDraining);
  gate.SetState(ServingState::kServing);
  EXPECT_EQ(gate.state(), ServingState::kDraining);
  const auto refused = gate.Enter("a", 1, Availability::kWhenServing);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(refused.status()), "DRAINING");
  EXPECT_TRUE(gate.Enter("a", 1, Availability::kAlways).ok());
}

TEST(CallGateTest, BoundsTheCallsOfAConnectionAndOfAll) {
  CallGate gate(kLimits, ServingState::kServing);
  std::vector<CallGate::Ticket> tickets;
  for (const char* connection : {"a", "a", "b"}) {
    auto ticket = gate.Enter(connection, 0, Availability::kWhenServing);
    ASSERT_TRUE(ticket.ok());
    tickets.push_back(*std::move(ticket));
  }
  const auto third = gate.Enter("a", 0, Availability::kWhenServing);
  EXPECT_EQ(third.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(third.status()), "OVERLOADED");
  EXPECT_EQ(LimitOf(third.status()), "max-calls-per-connection");
  EXPECT_TRUE(DetailsOf(third.status()).retry_after.has_value());

  auto fourth = gate.Enter("c", 0, Availability::kWhenServing);
  ASSERT_TRUE(fourth.ok());
  tickets.push_back(*std::move(fourth));
  const auto fifth = gate.Enter("d", 0, Availability::kWhenServing);
  EXPECT_EQ(LimitOf(fifth.status()), "max-calls");

  tickets.clear();
  EXPECT_EQ(gate.calls(), 0U);
  EXPECT_TRUE(gate.Enter("a", 0, Availability::kWhenServing).ok());
}

TEST(CallGateTest, BoundsTheBytesHeld) {
  CallGate gate(kLimits, ServingState::kServing);
  EXPECT_TRUE(gate.Enter("a", 99, Availability::kWhenServing).ok());
  EXPECT_TRUE(gate.Enter("a", 100, Availability::kWhenServing).ok());
  EXPECT_EQ(gate.bytes_held(), 0U);
  const auto refused = gate.Enter("a", 101, Availability::kWhenServing);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(LimitOf(refused.status()), "max-bytes-held");
  EXPECT_EQ(gate.calls(), 0U);
}

TEST(CallGateTest, ChargesMoreBytesToATicketAndGivesAllBack) {
  CallGate gate(kLimits, ServingState::kServing);
  {
    auto ticket = gate.Enter("a", 60, Availability::kWhenServing);
    ASSERT_TRUE(ticket.ok());
    EXPECT_TRUE(ticket->Charge(39).ok());
    EXPECT_TRUE(ticket->Charge(1).ok());
    EXPECT_EQ(ticket->Charge(1).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(gate.bytes_held(), 100U);
    const CallGate::Ticket moved = *std::move(ticket);
    EXPECT_EQ(gate.bytes_held(), 100U);
    EXPECT_EQ(gate.calls(), 1U);
  }
  EXPECT_EQ(gate.bytes_held(), 0U);
  EXPECT_EQ(gate.calls(), 0U);
}

TEST(CallGateTest, WaitsForTheLastCall) {
  CallGate gate(kLimits, ServingState::kServing);
  EXPECT_TRUE(gate.WaitUntilIdle(std::chrono::steady_clock::now()));
  std::optional<CallGate::Ticket> ticket =
      gate.Enter("a", 1, Availability::kWhenServing).value();
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
        const auto ticket = gate.Enter(absl::StrCat("c", (t + i) % 3), 40,
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
