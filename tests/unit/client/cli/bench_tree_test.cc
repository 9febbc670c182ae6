#include "client/cli/bench_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace resnetd::cli {
namespace {

using client::LoadPhase;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

BenchOptions Parsed(std::vector<std::string> words) {
  words.insert(words.begin(), "bench");
  const auto result = ParseCommandLine(std::move(words));
  if (const auto* ending = std::get_if<Ending>(&result)) {
    ADD_FAILURE() << ending->out << ending->err;
    return {};
  }
  EXPECT_EQ(std::get<Arguments>(result).command, Command::kBench);
  return std::get<Arguments>(result).bench;
}

std::string Refused(std::vector<std::string> words) {
  words.insert(words.begin(), "bench");
  const auto result = ParseCommandLine(std::move(words));
  const auto* ending = std::get_if<Ending>(&result);
  return ending == nullptr ? "not refused" : ending->err;
}

TEST(BenchTreeTest, WithoutOptionsItIsAClosedLoopOfOneClient) {
  const BenchOptions options = Parsed({});
  EXPECT_EQ(options.clients, 1);
  EXPECT_TRUE(options.phases.empty());
  EXPECT_TRUE(options.models.empty());
  EXPECT_EQ(options.length, seconds(10));
}

TEST(BenchTreeTest, TheWarmUpMayBeNone) {
  EXPECT_EQ(Parsed({}).warm_up, seconds(1));
  EXPECT_EQ(Parsed({"--warm-up", "0"}).warm_up, seconds(0));
  EXPECT_EQ(Parsed({"--warm-up", "0s"}).warm_up, seconds(0));
  EXPECT_THAT(Refused({"--warm-up", "-1s"}), HasSubstr("-1s"));
}

TEST(BenchTreeTest, RetriesAreMadeOnTheConnectionsOfTheClientLibrary) {
  EXPECT_FALSE(Parsed({}).retries);
  EXPECT_TRUE(Parsed({"--retry"}).retries);
  EXPECT_THAT(Refused({"--retry", "--connections", "2"}),
              HasSubstr("--connections"));
}

TEST(BenchTreeTest, CallsGoByThemselvesOverStreamsOrToEmbed) {
  EXPECT_EQ(Parsed({}).method, client::LoadMethod::kClassify);
  EXPECT_EQ(Parsed({}).streams, 0);
  EXPECT_EQ(Parsed({"--method", "embed"}).method, client::LoadMethod::kEmbed);
  EXPECT_EQ(Parsed({"--method", "classify"}).method,
            client::LoadMethod::kClassify);
  EXPECT_EQ(Parsed({"--streams", "1"}).streams, 1);
  EXPECT_EQ(Parsed({"--streams", "256", "--retry"}).streams, 256);
  EXPECT_THAT(Refused({"--streams", "0"}), HasSubstr("from 1"));
  EXPECT_THAT(Refused({"--streams", "257"}), HasSubstr("more than 256"));
  EXPECT_THAT(Refused({"--method", "stream"}), HasSubstr("stream"));
  EXPECT_THAT(Refused({"--method", "embed", "--streams", "2"}),
              HasSubstr("excludes"));
}

TEST(BenchTreeTest, TakesEveryOptionOfAClosedLoop) {
  const BenchOptions options = Parsed({"a.jpg",
                                       "photos",
                                       "-m",
                                       "cats",
                                       "-m",
                                       "dogs@2",
                                       "--clients",
                                       "8",
                                       "--batch",
                                       "4",
                                       "--size",
                                       "64",
                                       "--for",
                                       "30s",
                                       "--warm-up",
                                       "2s",
                                       "--deadline",
                                       "100ms",
                                       "--connections",
                                       "3",
                                       "--priority",
                                       "batch",
                                       "--seed",
                                       "9",
                                       "--compare-model",
                                       "cats@canary",
                                       "--compare-server",
                                       "other:1",
                                       "--rounds",
                                       "7"});
  EXPECT_THAT(options.pictures, ElementsAre("a.jpg", "photos"));
  EXPECT_THAT(options.models,
              ElementsAre("models/cats", "models/dogs/versions/2"));
  EXPECT_EQ(options.clients, 8);
  EXPECT_EQ(options.batch, 4);
  EXPECT_EQ(options.size, 64);
  EXPECT_EQ(options.length, seconds(30));
  EXPECT_EQ(options.warm_up, seconds(2));
  EXPECT_EQ(options.deadline, milliseconds(100));
  EXPECT_EQ(options.connections, 3);
  EXPECT_EQ(options.priority, client::Priority::kBatch);
  EXPECT_EQ(options.seed, 9U);
  EXPECT_EQ(options.other_model, "models/cats/aliases/canary");
  EXPECT_EQ(options.other_server, "other:1");
  EXPECT_EQ(options.rounds, 7);
}

TEST(BenchTreeTest, ARateIsAPhaseOfTheLengthWhereverThatStands) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"--rate", "12.5", "--for", "3s"},
           {"--for", "3s", "--rate", "12.5"}}) {
    const BenchOptions options = Parsed(words);
    ASSERT_EQ(options.phases.size(), 1U);
    EXPECT_EQ(options.phases[0].rate, 12.5);
    EXPECT_EQ(options.phases[0].length, seconds(3));
  }
  EXPECT_EQ(Parsed({"--rate", "1", "--arrivals", "constant"}).spacing,
            client::Spacing::kConstant);
}

TEST(BenchTreeTest, RefusesWhatDoesNotGoTogetherOrIsOutOfRange) {
  EXPECT_THAT(Refused({"--rate", "5", "--clients", "2"}),
              HasSubstr("excludes"));
  EXPECT_THAT(Refused({"--rate", "5", "--steps", "1x1s"}),
              HasSubstr("excludes"));
  EXPECT_THAT(Refused({"--steps", "1x1s", "--for", "2s"}),
              HasSubstr("excludes"));
  for (const char* rate : {"0", "-1", "nan", "inf", "1000001", "x"}) {
    EXPECT_THAT(Refused({"--rate", rate}), HasSubstr("not a rate")) << rate;
  }
  EXPECT_THAT(Refused({"--batch", "0"}), HasSubstr("from 1"));
  EXPECT_EQ(Parsed({"--batch", "256"}).batch, 256);
  EXPECT_THAT(Refused({"--batch", "257"}), HasSubstr("more than 256"));
  EXPECT_THAT(Refused({"--priority", "urgent"}), HasSubstr("urgent"));
}

TEST(ParseStepsTest, RatesForATimeFollowEachOther) {
  std::vector<LoadPhase> phases;
  EXPECT_EQ(ParseSteps("50x10s,0.5x500ms", phases), "");
  ASSERT_EQ(phases.size(), 2U);
  EXPECT_EQ(phases[0].rate, 50);
  EXPECT_EQ(phases[0].length, seconds(10));
  EXPECT_EQ(phases[1].rate, 0.5);
  EXPECT_EQ(phases[1].length, milliseconds(500));
}

TEST(ParseStepsTest, WhatIsNoStepIsRefusedAndLeavesThePhases) {
  std::vector<LoadPhase> phases = {{.rate = 1, .length = seconds(1)}};
  for (const char* text :
       {"", "50", "x10s", "50x", "50x10s,", "ax1s", "5xb", "50*10s"}) {
    EXPECT_NE(ParseSteps(text, phases), "") << text;
  }
  EXPECT_EQ(phases.size(), 1U);
}

}  // namespace
}  // namespace resnetd::cli
