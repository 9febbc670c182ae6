#include "server/rpc/job_reads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "server/rpc/page_token.h"
#include "tests/support/fake_job_manager.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;

class JobReadsTest : public testing::Test {
 protected:
  // The names of all pages.
  std::vector<std::vector<std::string>> JobPages(
      v1::ListFineTuneJobsRequest request) {
    std::vector<std::vector<std::string>> pages;
    do {
      const auto response = ListFineTuneJobs(manager_, request);
      EXPECT_TRUE(response.ok()) << response.status();
      auto& page = pages.emplace_back();
      for (const v1::FineTuneJob& job : response->jobs()) {
        page.push_back(job.name());
      }
      request.set_page_token(response->next_page_token());
    } while (!request.page_token().empty());
    return pages;
  }

  std::vector<std::vector<std::int64_t>> EventPages(
      v1::ListFineTuneJobEventsRequest request) {
    std::vector<std::vector<std::int64_t>> pages;
    do {
      const auto response = ListFineTuneJobEvents(manager_, request);
      EXPECT_TRUE(response.ok()) << response.status();
      auto& page = pages.emplace_back();
      for (const v1::JobEvent& event : response->events()) {
        page.push_back(event.sequence());
      }
      request.set_page_token(response->next_page_token());
    } while (!request.page_token().empty());
    return pages;
  }

  FakeJobManager manager_;
};

TEST_F(JobReadsTest, GetsOneJob) {
  manager_.Add(JobState::kRunning);
  v1::GetFineTuneJobRequest request;
  request.set_name("jobs/1");
  EXPECT_EQ(GetFineTuneJob(manager_, request)->job().status().state(),
            v1::JOB_STATE_RUNNING);
  request.set_name("jobs/2");
  EXPECT_EQ(DetailsOf(GetFineTuneJob(manager_, request).status()).reason,
            "JOB_NOT_FOUND");
  request.set_name("job/1");
  EXPECT_EQ(GetFineTuneJob(manager_, request).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(JobReadsTest, ListsJobsNewestFirstInPages) {
  for (int i = 0; i < 5; ++i) {
    manager_.Add(JobState::kQueued);
  }
  v1::ListFineTuneJobsRequest request;
  EXPECT_THAT(JobPages(request),
              ElementsAre(ElementsAre("jobs/5", "jobs/4", "jobs/3", "jobs/2",
                                      "jobs/1")));
  request.set_page_size(2);
  EXPECT_THAT(JobPages(request), ElementsAre(ElementsAre("jobs/5", "jobs/4"),
                                             ElementsAre("jobs/3", "jobs/2"),
                                             ElementsAre("jobs/1")));
  request.set_page_size(5);
  EXPECT_EQ(JobPages(request).size(), 1U);
}

TEST_F(JobReadsTest, ListsJobsInTheStatesAskedForAlone) {
  manager_.Add(JobState::kQueued);
  manager_.Add(JobState::kFailed);
  manager_.Add(JobState::kSucceeded);
  manager_.Add(JobState::kQueued);
  v1::ListFineTuneJobsRequest request;
  request.add_states(v1::JOB_STATE_QUEUED);
  request.add_states(v1::JOB_STATE_FAILED);
  EXPECT_THAT(JobPages(request),
              ElementsAre(ElementsAre("jobs/4", "jobs/2", "jobs/1")));
  request.set_page_size(1);
  EXPECT_EQ(JobPages(request).size(), 3U);
  request.add_states(v1::JOB_STATE_UNSPECIFIED);
  request.add_states(static_cast<v1::JobState>(14));
  EXPECT_THAT(
      DetailsOf(ListFineTuneJobs(manager_, request).status()).violations,
      ElementsAre(Key("states[2]"), Key("states[3]")));
}

TEST_F(JobReadsTest, RefusesPagesThatThereAreNot) {
  v1::ListFineTuneJobsRequest request;
  request.set_page_size(1001);
  EXPECT_THAT(
      DetailsOf(ListFineTuneJobs(manager_, request).status()).violations,
      ElementsAre(Key("page_size")));
  request.set_page_size(1000);
  EXPECT_TRUE(ListFineTuneJobs(manager_, request).ok());
  for (const std::string& token :
       {std::string("x"), MakePageToken("models", "1"),
        MakePageToken("jobs", "x"), MakePageToken("jobs", "-1")}) {
    request.set_page_token(token);
    EXPECT_THAT(
        DetailsOf(ListFineTuneJobs(manager_, request).status()).violations,
        ElementsAre(Key("page_token")))
        << token;
  }
}

TEST_F(JobReadsTest, ListsEventsInPages) {
  const JobNumber job = manager_.Add(JobState::kRunning);
  manager_.TellMany(job, LogLine{.text = "x"}, 5);
  v1::ListFineTuneJobEventsRequest request;
  request.set_parent("jobs/1");
  EXPECT_THAT(EventPages(request), ElementsAre(ElementsAre(1, 2, 3, 4, 5, 6)));
  request.set_page_size(2);
  EXPECT_THAT(
      EventPages(request),
      ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4), ElementsAre(5, 6)));
  request.set_after_sequence(3);
  EXPECT_THAT(EventPages(request),
              ElementsAre(ElementsAre(4, 5), ElementsAre(6)));
  request.set_after_sequence(6);
  EXPECT_THAT(EventPages(request), ElementsAre(IsEmpty()));
  request.set_after_sequence(7);
  EXPECT_EQ(DetailsOf(ListFineTuneJobEvents(manager_, request).status()).reason,
            "EVENTS_EXPIRED");
}

TEST_F(JobReadsTest, ListsEventsOfTheKindsAskedForAlone) {
  const JobNumber job = manager_.Add(JobState::kRunning);
  manager_.TellMany(job, StepMetrics{}, 300);
  manager_.Tell(job, LogLine{.text = "x"});
  manager_.TellMany(job, StepMetrics{}, 300);
  manager_.Tell(job, LogLine{.text = "y"});
  v1::ListFineTuneJobEventsRequest request;
  request.set_parent("jobs/1");
  request.add_kinds(v1::JOB_EVENT_KIND_LOG_LINE);
  request.add_kinds(v1::JOB_EVENT_KIND_STATE_CHANGED);
  for (const int size : {0, 3, 1000}) {
    request.set_page_size(size);
    EXPECT_THAT(EventPages(request), ElementsAre(ElementsAre(1, 302, 603)))
        << size;
  }
  request.set_page_size(2);
  EXPECT_THAT(EventPages(request),
              ElementsAre(ElementsAre(1, 302), ElementsAre(603)));
}

TEST_F(JobReadsTest, OneCallLooksAtABoundedNumberOfEvents) {
  const JobNumber job = manager_.Add(JobState::kRunning);
  const int more = static_cast<int>(kMaxEventsLookedAt) + 500;
  manager_.TellMany(job, StepMetrics{}, more);
  manager_.Tell(job, LogLine{.text = "x"});
  v1::ListFineTuneJobEventsRequest request;
  request.set_parent("jobs/1");
  request.add_kinds(v1::JOB_EVENT_KIND_LOG_LINE);
  EXPECT_THAT(EventPages(request),
              ElementsAre(IsEmpty(), ElementsAre(more + 2)));
}

TEST_F(JobReadsTest, RefusesEveryWrongFieldOfAListOfEvents) {
  v1::ListFineTuneJobEventsRequest request;
  request.set_parent("job/1");
  request.set_after_sequence(-1);
  request.add_kinds(v1::JOB_EVENT_KIND_LOG_LINE);
  request.add_kinds(v1::JOB_EVENT_KIND_UNSPECIFIED);
  request.add_kinds(static_cast<v1::JobEventKind>(13));
  EXPECT_THAT(
      DetailsOf(ListFineTuneJobEvents(manager_, request).status()).violations,
      ElementsAre(Key("parent"), Key("after_sequence"), Key("kinds[1]"),
                  Key("kinds[2]")));
}

TEST_F(JobReadsTest, ATokenOfAnotherJobIsRefused) {
  const JobNumber job = manager_.Add(JobState::kRunning);
  manager_.Add(JobState::kRunning);
  manager_.TellMany(job, LogLine{.text = "x"}, 5);
  v1::ListFineTuneJobEventsRequest request;
  request.set_parent("jobs/1");
  request.set_page_size(1);
  request.set_page_token(
      ListFineTuneJobEvents(manager_, request)->next_page_token());
  EXPECT_TRUE(ListFineTuneJobEvents(manager_, request).ok());
  request.set_parent("jobs/2");
  EXPECT_THAT(
      DetailsOf(ListFineTuneJobEvents(manager_, request).status()).violations,
      ElementsAre(Key("page_token")));
}

TEST_F(JobReadsTest, ListsCheckpointsInPages) {
  const JobNumber job = manager_.Add(JobState::kRunning);
  for (const std::int64_t step : {0, 10, 20}) {
    manager_.AddCheckpoint(job, {.step = step});
  }
  v1::ListCheckpointsRequest request;
  request.set_parent("jobs/1");
  const auto all = ListCheckpoints(manager_, request);
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->checkpoints_size(), 3);
  EXPECT_EQ(all->checkpoints(2).name(), "jobs/1/checkpoints/20");
  EXPECT_EQ(all->next_page_token(), "");
  request.set_page_size(2);
  const auto first = ListCheckpoints(manager_, request);
  ASSERT_EQ(first->checkpoints_size(), 2);
  request.set_page_token(first->next_page_token());
  const auto second = ListCheckpoints(manager_, request);
  ASSERT_EQ(second->checkpoints_size(), 1);
  EXPECT_EQ(second->checkpoints(0).step(), 20);
  EXPECT_EQ(second->next_page_token(), "");
  request.set_page_token("?");
  EXPECT_FALSE(ListCheckpoints(manager_, request).ok());
  request.set_parent("jobs/9");
  request.clear_page_token();
  EXPECT_EQ(DetailsOf(ListCheckpoints(manager_, request).status()).reason,
            "JOB_NOT_FOUND");
}

TEST_F(JobReadsTest, GetsOneCheckpoint) {
  const JobNumber job = manager_.Add(JobState::kFailed);
  manager_.AddCheckpoint(job, {.step = 10, .bytes = 7});
  v1::GetCheckpointRequest request;
  request.set_name("jobs/1/checkpoints/10");
  const auto got = GetCheckpoint(manager_, request);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->checkpoint().name(), "jobs/1/checkpoints/10");
  EXPECT_EQ(got->checkpoint().size_bytes(), 7);
  request.set_name("jobs/1/checkpoints/11");
  EXPECT_EQ(DetailsOf(GetCheckpoint(manager_, request).status()).reason,
            "CHECKPOINT_NOT_FOUND");
  request.set_name("jobs/1");
  EXPECT_EQ(GetCheckpoint(manager_, request).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(JobReadsTest, AServerThatDoesNotTrainSaysWhatToAsk) {
  EXPECT_EQ(NoTraining().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(NoTraining()).reason, "BACKEND_UNAVAILABLE");
}

}  // namespace
}  // namespace resnetd
