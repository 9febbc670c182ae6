#include "server/finetune/job_views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/finetune/job_manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class JobViewsTest : public JobManagerTest {
 protected:
  JobCatalog& catalog() { return store_->jobs(); }
};

TEST_F(JobViewsTest, QueuedJobsHaveTheirPlace) {
  const JobNumber first = Create(Spec());
  const JobNumber second = Create(Spec());
  const JobNumber third = Create(Spec());
  ASSERT_TRUE(jobs_->CallJob(second, JobCall::kPause, "", Asked()).ok());
  EXPECT_EQ(Must(ViewJob(catalog(), first)).status.queue_position, 1);
  EXPECT_EQ(Must(ViewJob(catalog(), second)).status.queue_position, 0);
  EXPECT_EQ(Must(ViewJob(catalog(), second)).status.waiting_for, "");
  EXPECT_EQ(Must(ViewJob(catalog(), third)).status.queue_position, 2);
  EXPECT_EQ(Must(ViewJob(catalog(), third)).status.waiting_for, "SLOT");
  const std::vector<Job> all = Must(ViewJobs(catalog()));
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[0].number, third) << "newest first";
  EXPECT_EQ(all[0].status.queue_position, 2);
  EXPECT_EQ(ReasonOf(ViewJob(catalog(), {7}).status()), "JOB_NOT_FOUND");
}

TEST_F(JobViewsTest, AnEventThatWasNotGivenYetIsOutOfRange) {
  const JobNumber number = Create(Spec());
  EXPECT_THAT(Must(ViewEvents(catalog(), number, 0, 10)), SizeIs(1));
  EXPECT_THAT(Must(ViewEvents(catalog(), number, 1, 10)), IsEmpty());
  const absl::Status status = ViewEvents(catalog(), number, 2, 10).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "EVENTS_EXPIRED");
  EXPECT_THAT(details.metadata,
              ElementsAre(Pair("oldest", "1"), Pair("newest", "1")));
  EXPECT_EQ(details.resource->second, "jobs/1");
}

TEST_F(JobViewsTest, AJobThatWasNotBegunHasNoCheckpoints) {
  EXPECT_THAT(Must(ViewCheckpoints(catalog(), Create(Spec()))), IsEmpty());
  EXPECT_EQ(ReasonOf(ViewCheckpoints(catalog(), {7}).status()),
            "JOB_NOT_FOUND");
}

}  // namespace
}  // namespace resnetd
