#include "client/cli/job_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Terminal kAscii = {.unicode = false, .columns = 100};

client::Job SomeJob() {
  client::Job job;
  job.name = "jobs/7";
  job.spec.model = "models/digits";
  job.spec.base_version = 3;
  job.spec.dataset = "datasets/photos";
  job.status.state = client::JobState::kRunning;
  job.status.total_steps = 100;
  return job;
}

client::JobEvent Step(std::int64_t step, std::int64_t second, double loss = 1) {
  return {.sequence = step,
          .time = system_clock::from_time_t(0) + seconds(second),
          .body = client::StepMetrics{.step = step,
                                      .loss = loss,
                                      .accuracy = 0.5,
                                      .examples_per_second = 64}};
}

TEST(JobViewTest, ShowsBarCurvesTimeLeftAndValidation) {
  JobView view(SomeJob());
  for (int i = 1; i <= 8; ++i) {
    view.Add(Step(i * 5, i * 10, 9 - i));
  }
  view.Add({.sequence = 9,
            .body = client::EvaluationMetrics{
                .step = 40, .accuracy = 0.875, .is_best = true}});
  EXPECT_THAT(
      view.Lines(kAscii),
      ElementsAre("job 7  digits@3 + photos  RUNNING",
                  "  step        ############------------------ 40/100, 2 min "
                  "1 s left",
                  "  loss        #*+=~-._                 1",
                  "  accuracy    ========                 50.00 %, 64 "
                  "pictures/s",
                  "  validation  87.50 % at step 40, the best so far"));
}

TEST(JobViewTest, KnowsNoTimeBeforeThePaceIsKnown) {
  JobView view(SomeJob());
  EXPECT_FALSE(view.TimeLeft());
  view.Add(Step(1, 1));
  EXPECT_FALSE(view.TimeLeft());
  view.Add(Step(2, 2));
  EXPECT_EQ(view.TimeLeft(), seconds(99));
  // All at one moment, or the clock went back.
  view.Add({.body = client::StateChanged{.to = client::JobState::kRunning}});
  EXPECT_FALSE(view.TimeLeft());
  view.Add(Step(3, 9));
  view.Add(Step(4, 9));
  EXPECT_FALSE(view.TimeLeft());
  view.Add(Step(5, 1));
  EXPECT_FALSE(view.TimeLeft());
}

TEST(JobViewTest, TheTimeLeftFollowsTheLastSteps) {
  JobView view(SomeJob());
  client::Job job = SomeJob();
  job.status.total_steps = 1000;
  view.Update(job);
  for (int i = 1; i <= 400; ++i) {
    view.Add(Step(i, 10 * i));
  }
  for (int i = 401; i <= 500; ++i) {
    view.Add(Step(i, 4000 + i));
  }
  EXPECT_EQ(view.TimeLeft(), seconds(501));
}

TEST(JobViewTest, GoesBackWithTheJob) {
  JobView view(SomeJob());
  view.Add(Step(50, 50));
  view.Add({.body = client::Recovered{.from_step = 50, .to_step = 20}});
  EXPECT_THAT(view.Lines(kAscii)[1], HasSubstr(" 20/100"));
}

TEST(JobViewTest, TellsThatServingComesFirst) {
  JobView view(SomeJob());
  view.Add({.body = client::Throttled{.duty = 0.25}});
  EXPECT_THAT(view.Lines(kAscii)[0], HasSubstr("RUNNING, 25 % of the time"));
}

TEST(JobViewTest, StaysWithinTheTerminal) {
  JobView view(SomeJob());
  for (int i = 1; i <= 100; ++i) {
    view.Add(Step(i, i));
  }
  for (const std::size_t columns : {1U, 10U, 40U, 80U}) {
    for (const std::string& line :
         view.Lines({.unicode = true, .columns = columns})) {
      EXPECT_LT(DisplayWidth(line), std::max<std::size_t>(columns, 1));
    }
  }
}

class LiveLinesTest : public testing::Test {
 protected:
  std::ostringstream out_;
  std::ostringstream err_;
  Console console_ = {
      .out = out_, .err = err_, .terminal = {.err_is_live = true}};
  std::chrono::steady_clock::time_point now_;
};

TEST_F(LiveLinesTest, DrawsOverTheLinesBeforeAndLeavesNothing) {
  {
    LiveLines lines(console_, true, [this] { return now_; });
    lines.Show({"a", "b"});
    EXPECT_EQ(err_.str(), "a\nb\n");
    err_.str("");
    now_ += std::chrono::milliseconds(99);
    lines.Show({"too soon"});
    EXPECT_EQ(err_.str(), "");
    now_ += std::chrono::milliseconds(1);
    lines.Show({"c"});
    EXPECT_EQ(err_.str(), "\x1b[2A\r\x1b[Jc\n");
    err_.str("");
  }
  EXPECT_EQ(err_.str(), "\x1b[1A\r\x1b[J");
  EXPECT_EQ(out_.str(), "");
}

TEST_F(LiveLinesTest, DrawsAtOnceBehindOtherText) {
  LiveLines lines(console_, true, [this] { return now_; });
  lines.Show({"a"});
  lines.Clear();
  err_.str("");
  lines.Show({"b"});
  EXPECT_EQ(err_.str(), "b\n");
}

TEST_F(LiveLinesTest, IsSilentWhenNobodyWatchesOrWants) {
  {
    LiveLines unwanted(console_, false);
    unwanted.Show({"a"});
    EXPECT_FALSE(unwanted.enabled());
  }
  console_.terminal.err_is_live = false;
  {
    LiveLines unwatched(console_, true);
    unwatched.Show({"a"});
  }
  EXPECT_EQ(err_.str(), "");
}

}  // namespace
}  // namespace resnetd::cli
