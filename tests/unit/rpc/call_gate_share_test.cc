// What clients leave to each other, and what the metrics tell of it.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rpc/call_gate.h"
#include "server/telemetry/serving_metrics.h"
#include "tests/unit/rpc/call_gate_fixture.h"

namespace resnetd {
namespace {

TEST(ShareOfTest, IsWhatIsLeftAndNeverLessThanWhatIsAssured) {
  EXPECT_EQ(ShareOf(100, 0, 10), 100U);
  EXPECT_EQ(ShareOf(100, 60, 10), 40U);
  EXPECT_EQ(ShareOf(100, 89, 10), 11U);
  EXPECT_EQ(ShareOf(100, 90, 10), 10U);
  EXPECT_EQ(ShareOf(100, 91, 10), 10U);
  EXPECT_EQ(ShareOf(100, 100, 10), 10U);
  EXPECT_EQ(ShareOf(100, 101, 10), 10U);
}

// Clients that open all the calls that they get, in turns.
class CallGateShareTest : public testing::Test {
 protected:
  absl::Status Enter(const std::string& client, std::size_t bytes = 0) {
    auto ticket = gate_.Enter(From(client), bytes, Availability::kWhenServing);
    if (!ticket.ok()) {
      return ticket.status();
    }
    tickets_.push_back(*std::move(ticket));
    return absl::OkStatus();
  }

  // What each of `clients` got when nobody got any more.
  std::vector<int> Fill(int clients, std::size_t bytes = 0) {
    std::vector<int> got(static_cast<std::size_t>(clients));
    for (bool went_on = true; went_on;) {
      went_on = false;
      for (int i = 0; i < clients; ++i) {
        if (Enter(absl::StrCat("hog ", i), bytes).ok()) {
          ++got[static_cast<std::size_t>(i)];
          went_on = true;
        }
      }
    }
    return got;
  }

  CallGate gate_{{.max_calls = 1000,
                  .max_calls_per_connection = 1000,
                  .max_calls_per_client = 250,
                  .max_bytes_held = 1000U << 20U,
                  .max_bytes_held_per_client = 250U << 20U},
                 ServingState::kServing};
  std::vector<CallGate::Ticket> tickets_;
};

TEST_F(CallGateShareTest, ClientsThatTakeAllTheyGetLeaveAsMuchToOthers) {
  for (const int share : Fill(9)) {
    EXPECT_EQ(share, 100);
  }
  EXPECT_EQ(gate_.calls(), 900U);
  const absl::Status refused = Enter("hog 0");
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RefusalOf(refused), "OVERLOADED");
  EXPECT_EQ(LimitOf(refused), "max-calls");
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(Enter("honest").ok()) << i;
  }
}

TEST_F(CallGateShareTest, FewClientsAreBoundByTheirOwnLimitAlone) {
  EXPECT_EQ(Fill(3), std::vector<int>(3, 250));
  EXPECT_EQ(LimitOf(Enter("hog 0")), "max-calls-per-client");
}

TEST(CallGateTest, AClientThatIsAloneMayHaveAllThatThereIs) {
  CallGate gate({.max_calls = 40,
                 .max_calls_per_connection = 40,
                 .max_bytes_held = 64U << 20U,
                 .max_bytes_held_per_client = 64U << 20U},
                ServingState::kServing);
  const auto enter = [&gate](const char* client, std::size_t bytes) {
    return gate.Enter(From(client), bytes, Availability::kWhenServing);
  };
  std::vector<CallGate::Ticket> tickets;
  for (int i = 0; i < 39; ++i) {
    auto ticket = enter("a", 1U << 20U);
    ASSERT_TRUE(ticket.ok()) << i << ticket.status();
    tickets.push_back(*std::move(ticket));
  }
  const auto other = enter("b", 1);
  EXPECT_TRUE(other.ok());
  tickets.pop_back();
  // Not any more.
  EXPECT_EQ(LimitOf(enter("a", 0).status()), "max-calls");
}

TEST_F(CallGateShareTest, TheSameGoesForBytes) {
  for (const int share : Fill(9, 2U << 20U)) {
    EXPECT_EQ(share, 50);
  }
  EXPECT_EQ(LimitOf(Enter("hog 0", 2U << 20U)), "max-bytes-held");
  // A call without bytes of its own takes nothing from anybody.
  EXPECT_TRUE(Enter("hog 0").ok());
  EXPECT_TRUE(Enter("honest", 100U << 20U).ok());
}

TEST_F(CallGateShareTest, SixteenCallsAreAssuredWhateverOthersHave) {
  Fill(40);
  for (int i = 0; i < 16; ++i) {
    EXPECT_TRUE(Enter("honest").ok()) << i;
  }
  EXPECT_EQ(LimitOf(Enter("honest")), "max-calls");
  // For somebody who has fewer.
  EXPECT_TRUE(Enter("another").ok());
}

TEST_F(CallGateShareTest, SixteenMebibytesAreAssuredWhateverOthersHold) {
  Fill(40, 1U << 20U);
  EXPECT_TRUE(Enter("honest", 15U << 20U).ok());
  EXPECT_TRUE(Enter("honest", (1U << 20U) - 1).ok());
  EXPECT_TRUE(Enter("honest", 1).ok());
  EXPECT_EQ(LimitOf(Enter("honest", 1)), "max-bytes-held");
  EXPECT_TRUE(Enter("another", 1).ok());
}

TEST(CallGateTest, CountsWhyItRefusesAndWhatItHolds) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  const auto has = [&telemetry](const std::string& line) {
    EXPECT_NE(telemetry->Expose().find(absl::StrCat("\n", line, "\n")),
              std::string::npos)
        << line;
  };
  CallGate gate({.max_calls = 3,
                 .max_calls_per_connection = 1,
                 .max_calls_per_client = 1,
                 .max_bytes_held = 100,
                 .max_bytes_held_per_client = 60},
                ServingState::kStarting, {}, telemetry->gate());
  has("resnetd_rpc_held_limit_bytes 100");
  const auto enter = [&gate](const char* connection, const char* client,
                             std::size_t bytes) {
    return gate.Enter({.connection = connection, .identity = client}, bytes,
                      Availability::kWhenServing);
  };
  EXPECT_FALSE(enter("1", "a", 0).ok());
  has("resnetd_rpc_refused_total{reason=\"starting\"} 1");
  gate.SetState(ServingState::kServing);
  EXPECT_FALSE(enter("1", "a", 61).ok());
  has("resnetd_rpc_refused_total{reason=\"too_large\"} 1");
  auto first = enter("1", "a", 60);
  ASSERT_TRUE(first.ok());
  has("resnetd_rpc_held_bytes 60");
  EXPECT_FALSE(enter("1", "b", 0).ok());
  has("resnetd_rpc_refused_total{reason=\"max_calls_per_connection\"} 1");
  EXPECT_FALSE(enter("2", "a", 0).ok());
  has("resnetd_rpc_refused_total{reason=\"max_calls_per_client\"} 1");
  EXPECT_FALSE(enter("2", "b", 41).ok());
  has("resnetd_rpc_refused_total{reason=\"max_bytes_held\"} 1");
  auto second = enter("2", "b", 0);
  auto third = enter("3", "c", 0);
  EXPECT_FALSE(enter("4", "d", 0).ok());
  has("resnetd_rpc_refused_total{reason=\"max_calls\"} 1");
  *first = CallGate::Ticket();
  has("resnetd_rpc_held_bytes 0");
  gate.SetState(ServingState::kDraining);
  EXPECT_FALSE(enter("1", "a", 0).ok());
  has("resnetd_rpc_refused_total{reason=\"draining\"} 1");
  has("resnetd_rpc_refused_total{reason=\"max_bytes_held_per_client\"} 0");
}

}  // namespace
}  // namespace resnetd
