#include "server/engine/workspaces.h"

#include <cstddef>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>

#include "gtest/gtest.h"
#include "server/engine/plan.h"
#include "server/engine/precision.h"
#include "tests/support/planned_parameters.h"

namespace resnetd {
namespace {

class WorkspacesTest : public testing::Test {
 protected:
  PlannedParameters made_{"cifar_resnet8", Precision::kFloat32};
  const Plan small_ =
      MakePlan(made_.engine, made_.program, 1, made_.parameters);
  const Plan large_ =
      MakePlan(made_.engine, made_.program, 3, made_.parameters);
  Workspaces workspaces_{made_.engine, 3};
};

TEST_F(WorkspacesTest, OneAfterTheOtherTheyAreOne) {
  const Execution* first = nullptr;
  {
    Workspaces::Lease lease(workspaces_);
    first = &lease.Bind(small_, large_.arena_bytes);
  }
  EXPECT_EQ(workspaces_.bytes(), static_cast<std::int64_t>(large_.arena_bytes));
  Workspaces::Lease again(workspaces_);
  EXPECT_EQ(&again.Bind(small_, large_.arena_bytes), first);
  const Execution& large = again.Bind(large_, large_.arena_bytes);
  EXPECT_NE(&large, first);
  EXPECT_EQ(workspaces_.bytes(), static_cast<std::int64_t>(large_.arena_bytes))
      << "both plans share the arena";
}

TEST_F(WorkspacesTest, AtOnceEachHasItsOwn) {
  Workspaces::Lease one(workspaces_);
  Workspaces::Lease two(workspaces_);
  EXPECT_NE(one.Bind(small_, small_.arena_bytes).pictures(),
            two.Bind(small_, small_.arena_bytes).pictures());
  EXPECT_EQ(workspaces_.bytes(),
            2 * static_cast<std::int64_t>(small_.arena_bytes));
}

TEST_F(WorkspacesTest, AnArenaThatIsTooSmallIsReplaced) {
  Workspaces::Lease lease(workspaces_);
  static_cast<void>(lease.Bind(small_, small_.arena_bytes));
  static_cast<void>(lease.Bind(large_, large_.arena_bytes));
  EXPECT_EQ(workspaces_.bytes(), static_cast<std::int64_t>(large_.arena_bytes));
  EXPECT_NE(lease.Bind(small_, large_.arena_bytes).pictures(), nullptr);
}

}  // namespace
}  // namespace resnetd
