#include "server/finetune/job_notes.h"

#include <gtest/gtest.h>

namespace resnetd {
namespace {

TEST(JobNotesTest, AlarmsAreActiveUntilTheyAreCleared) {
  JobStatus status;
  NoteEvent(AlarmRaised{.kind = AlarmKind::kVanishing, .step = 5, .text = "a"},
            status);
  NoteEvent(AlarmRaised{.kind = AlarmKind::kExploding, .step = 6, .text = "b"},
            status);
  ASSERT_EQ(status.alarms.size(), 2U);
  EXPECT_EQ(
      status.alarms[0],
      (ActiveAlarm{.kind = AlarmKind::kVanishing, .step = 5, .text = "a"}));
  NoteEvent(AlarmCleared{.kind = AlarmKind::kVanishing, .step = 9}, status);
  ASSERT_EQ(status.alarms.size(), 1U);
  EXPECT_EQ(status.alarms[0].kind, AlarmKind::kExploding);
  // Of a kind there is one.
  NoteEvent(AlarmRaised{.kind = AlarmKind::kExploding, .step = 7}, status);
  ASSERT_EQ(status.alarms.size(), 1U);
  EXPECT_EQ(status.alarms[0].step, 7);
  NoteEvent(BlockGradients{}, status);
  EXPECT_EQ(status.alarms.size(), 1U);
}

TEST(JobNotesTest, TheMajorityIsTheMostFrequentLabel) {
  EXPECT_EQ(MajorityShare({}), 0);
  EXPECT_EQ(MajorityShare({3}), 1);
  EXPECT_EQ(MajorityShare({0, 1, 1, 2}), 0.5);
}

}  // namespace
}  // namespace resnetd
