#include "client/cli/top_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TopFigures Figures() {
  return {.version = "1.2.3",
          .is_ready = true,
          .seconds = 2,
          .calls_per_second = 1234.4,
          .images_per_second = 20.25,
          .p50_seconds = 0.0012,
          .p99_seconds = 0.25,
          .batch_images = 3.96,
          .in_flight = 4,
          .queue = 9,
          .cpu_cores = 1.5,
          .memory_bytes = 3 << 20U,
          .models = {{.name = "cats",
                      .images_per_second = 20.25,
                      .batch_images = 3.96,
                      .queue_seconds = 0.0004,
                      .queue = 9,
                      .queue_limit = 4096}},
          .jobs = {{.job = "jobs/7",
                    .model = "cats",
                    .state = "RUNNING",
                    .step = 12,
                    .step_limit = 100,
                    .steps_per_second = 6,
                    .loss = 0.5}}};
}

std::vector<std::string> Screen(const Terminal& terminal, std::size_t rows) {
  TopHistory history;
  history.Add(Figures());
  return TopScreen("box:8002", Figures(), history, terminal, rows);
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  return text;
}

TEST(TopScreenTest, ShowsServerModelsAndJobs) {
  const std::string text = Joined(Screen({.columns = 120}, 50));
  EXPECT_THAT(
      text, HasSubstr("resnetd 1.2.3 on box:8002: ready, 1.5 cores, 3.0 MiB"));
  EXPECT_THAT(text,
              HasSubstr("calls/s 1,234, in flight 4, queue 9, batch 4.0"));
  EXPECT_THAT(text, HasSubstr("p50       1.20 ms"));
  EXPECT_THAT(text, HasSubstr("9/4,096"));
  EXPECT_THAT(text, HasSubstr("jobs/7"));
  EXPECT_THAT(text, HasSubstr("12/100"));
}

TEST(TopScreenTest, HasNoTableOfWhatIsNot) {
  TopFigures figures = Figures();
  figures.models.clear();
  figures.jobs.clear();
  figures.is_ready = false;
  figures.p50_seconds.reset();
  const std::string text =
      Joined(TopScreen("box", figures, {}, {.columns = 120}, 50));
  EXPECT_THAT(text, HasSubstr("NOT READY"));
  EXPECT_THAT(text, HasSubstr("p50             -"));
  EXPECT_THAT(text, Not(HasSubstr("MODEL")));
  EXPECT_THAT(text, Not(HasSubstr("JOB")));
}

TEST(TopScreenTest, StaysWithinTheTerminal) {
  for (const std::size_t columns : {0U, 1U, 20U, 60U}) {
    for (const std::size_t rows : {0U, 1U, 5U, 6U}) {
      const auto lines = Screen({.unicode = true, .columns = columns}, rows);
      EXPECT_LE(lines.size(), rows);
      for (const std::string& line : lines) {
        EXPECT_LT(DisplayWidth(line), std::max<std::size_t>(columns, 1));
      }
    }
  }
}

TEST(TopScreenTest, NothingOfAServerReachesTheTerminalRaw) {
  TopFigures figures = Figures();
  figures.version = "\x1b[31m";
  figures.models[0].name = "\x1b[2J";
  const std::string text =
      Joined(TopScreen("box", figures, {}, {.columns = 200}, 50));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(TopRowTest, StandsUnderItsHeadings) {
  const std::string headings = TopHeadings();
  const std::string row = TopRow("2026-11-21T12:00:00Z", Figures());
  EXPECT_EQ(headings.size(), row.size());
  EXPECT_EQ(row.find("1,234") + 5, headings.find("calls/s") + 7);
  EXPECT_EQ(row.back(), '\n');
}

TEST(TopJsonTest, HasEveryFigureAndNullWhereThereIsNone) {
  const Json document = TopJson("box:8002", Figures());
  EXPECT_EQ(document["server"], "box:8002");
  EXPECT_EQ(document["latency_ms"]["p99"], 250);
  EXPECT_EQ(document["models"][0]["queue_ms"], 0.4);
  EXPECT_TRUE(document["models"][0]["forward_ms"].is_null());
  EXPECT_EQ(document["jobs"][0]["loss"], 0.5);
  EXPECT_EQ(document["in_flight"], 4);
}

}  // namespace
}  // namespace resnetd::cli
