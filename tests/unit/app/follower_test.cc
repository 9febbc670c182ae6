#include "server/app/follower.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "server/models/model_manager.h"
#include "server/store/store.h"
#include "tests/support/fake_loader.h"
#include "tests/support/fake_model_manager.h"

namespace resnetd {
namespace {

// An empty registry that fails and waits as a test says. Thread-safe.
class ScriptedRegistry final : public Registry {
 public:
  absl::StatusOr<RegistryState> List() override {
    MutexLock lock(mutex_);
    ++lists_;
    changed_.NotifyAll();
    if (!error_.ok()) {
      return error_;
    }
    return RegistryState{.sequence = lists_};
  }
  absl::StatusOr<RegistryVersion> Describe(const ModelName& /*model*/,
                                           VersionNumber /*version*/) override {
    return absl::InternalError("nothing is described");
  }
  absl::Status Fetch(const Digest& /*digest*/, BlobSink& /*sink*/) override {
    return absl::InternalError("nothing is fetched");
  }
  absl::Status AwaitChange(std::int64_t /*sequence*/) override {
    MutexLock lock(mutex_);
    while (!is_stopped_ && !has_changed_) {
      changed_.Wait(mutex_);
    }
    has_changed_ = false;
    return is_stopped_ ? absl::CancelledError() : absl::OkStatus();
  }
  void Stop() override {
    MutexLock lock(mutex_);
    is_stopped_ = true;
    changed_.NotifyAll();
  }

  void Fail(absl::Status error) {
    MutexLock lock(mutex_);
    error_ = std::move(error);
  }
  void Change() {
    MutexLock lock(mutex_);
    has_changed_ = true;
    changed_.NotifyAll();
  }
  void AwaitLists(int count) {
    MutexLock lock(mutex_);
    while (lists_ < count) {
      changed_.Wait(mutex_);
    }
  }
  int lists() {
    MutexLock lock(mutex_);
    return lists_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  int lists_ ABSL_GUARDED_BY(mutex_) = 0;
  bool has_changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

class FollowerTest : public testing::Test {
 protected:
  void Start() {
    follower_.emplace(registry_, replica_, models_, [this] {
      MutexLock lock(mutex_);
      ++ready_;
      changed_.NotifyAll();
    });
  }
  void AwaitReady() {
    MutexLock lock(mutex_);
    while (ready_ == 0) {
      changed_.Wait(mutex_);
    }
  }
  int ready() {
    MutexLock lock(mutex_);
    return ready_;
  }

  ScriptedRegistry registry_;
  ModelRegistry models_;
  FakeModelManager manager_;
  std::unique_ptr<Store> store_ = Store::Open({}, RealClock()).value();
  Replica replica_{registry_, *store_, manager_};
  Mutex mutex_;
  CondVar changed_;
  int ready_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<Follower> follower_;
};

TEST_F(FollowerTest, IsReadyOnceAndListsAgainAfterEachChange) {
  Start();
  AwaitReady();
  registry_.Change();
  registry_.AwaitLists(2);
  registry_.Change();
  registry_.AwaitLists(3);
  follower_.reset();
  EXPECT_EQ(ready(), 1);
}

TEST_F(FollowerTest, TriesAgainUntilTheRegistryIsThere) {
  registry_.Fail(absl::UnavailableError("away"));
  Start();
  registry_.AwaitLists(3);
  EXPECT_EQ(ready(), 0);
  registry_.Fail(absl::OkStatus());
  AwaitReady();
}

TEST_F(FollowerTest, EndsWhileItWaitsForTheNextTry) {
  registry_.Fail(absl::UnavailableError("away"));
  Start();
  registry_.AwaitLists(1);
  follower_.reset();
  const int lists = registry_.lists();
  EXPECT_GE(lists, 1);
  EXPECT_EQ(ready(), 0);
}

}  // namespace
}  // namespace resnetd
