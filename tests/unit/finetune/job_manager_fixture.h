#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "server/base/mutex.h"
#include "server/base/priority_gate.h"
#include "server/finetune/job_manager.h"
#include "tests/support/scripted_trainer.h"
#include "tests/unit/image/picture_factory.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {

inline Mutation Asked(const std::string& request_id = "",
                      const std::string& hash = "h") {
  Mutation mutation;
  mutation.method = "Test";
  mutation.request_id = request_id;
  mutation.request_hash = hash;
  return mutation;
}

inline std::string Solid(int red, int blue) {
  Pixels pixels{.width = 32, .height = 32, .rgb = {}};
  for (int i = 0; i < 32 * 32; ++i) {
    pixels.rgb.insert(pixels.rgb.end(), {static_cast<std::uint8_t>(red), 0,
                                         static_cast<std::uint8_t>(blue)});
  }
  const testing::Encoded png = testing::EncodePng(pixels);
  return {png.begin(), png.end()};
}

// Rung by one thread, awaited by another.
class Bell {
 public:
  void Ring() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    rung_ = true;
    changed_.NotifyAll();
  }
  // Until it was rung since the last time.
  void Await() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    while (!rung_) {
      changed_.Wait(mutex_);
    }
    rung_ = false;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool rung_ ABSL_GUARDED_BY(mutex_) = false;
};

// Jobs as a whole: a real store, real datasets and versions, and a trainer that
// follows a script.
class JobManagerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Restart();
    const std::string file = TinyWeightsFile(1);
    const auto session = Must(models_->Import(HeaderOf("tiny", file), Asked()));
    ASSERT_TRUE(session->Write(BytesOf(file)).ok());
    base_ = Must(session->Finish()).version.row.version;
    MakeDataset("data", 10, 12);
  }
  void TearDown() override { Close(); }

  void Close() {
    jobs_.reset();
    datasets_.reset();
    models_.reset();
    registry_.reset();
    store_.reset();
  }
  // As a process that is started after another.
  void Restart() {
    Close();
    store_ = Must(Store::Open({.folder = folder_.File("data")}, RealClock()));
    datasets_ = DatasetManager::Create({}, *store_, store_->datasets());
    registry_ = std::make_unique<ModelRegistry>();
    models_ = ModelManager::Create({}, *store_, loader_, *registry_, *clock_);
    ASSERT_TRUE(models_->Start().ok());
    jobs_ = JobManager::Create(
        options_, *store_, *datasets_, *models_, *registry_,
        [this]() -> absl::StatusOr<TrainerFactory*> { return &trainers_; },
        *clock_, {.gate = &gate_, .features = features_});
  }

  // Labels "0", "1", ... with solid pictures whose red tells the class.
  void MakeDataset(const std::string& name, int classes, int per_class) {
    const DatasetName dataset = DatasetName::Parse(name).value();
    std::vector<std::string> labels;
    std::vector<std::string> files;
    for (int label = 0; label < classes; ++label) {
      labels.push_back(absl::StrCat(label));
      for (int i = 0; i < per_class; ++i) {
        files.push_back(Solid(20 * label, i));
      }
    }
    ASSERT_TRUE(datasets_->CreateDataset(dataset, labels, Asked()).ok());
    std::vector<UploadedExample> examples;
    for (std::size_t i = 0; i < files.size(); ++i) {
      examples.push_back(
          {.name = "x",
           .label = labels[i / static_cast<std::size_t>(per_class)],
           .bytes = BytesOf(files[i])});
    }
    const auto progress = Must(datasets_->Add(dataset, "u", 0, examples));
    ASSERT_EQ(progress.accepted, classes * per_class);
    ASSERT_TRUE(datasets_->SealDataset(dataset, "", Asked()).ok());
  }

  JobSpec Spec(std::int64_t steps = 20) {
    JobSpec spec{.model = Named("tiny"),
                 .dataset = DatasetName::Parse("data").value()};
    spec.recipe.max_steps = steps;
    spec.recipe.evaluate_every = 5;
    spec.recipe.checkpoint_every = 4;
    spec.recipe.patience = 0;
    spec.gate.min_examples = 1;
    spec.gate.max_calibration_error = 1;
    return spec;
  }

  JobNumber Create(const JobSpec& spec) {
    return Must(jobs_->CreateJob(spec, false, false, Asked())).job.number;
  }

  // Waits until the job is in a state that `enough` takes.
  Job Await(JobNumber number, const std::function<bool(const Job&)>& enough) {
    Bell changed;
    changed.Ring();
    const auto subscription = jobs_->Subscribe([&] { changed.Ring(); });
    while (true) {
      changed.Await();
      Job job = Must(jobs_->GetJob(number));
      if (enough(job)) {
        return job;
      }
    }
  }
  Job AwaitEnd(JobNumber number) {
    return Await(number, [](const Job& job) {
      return IsDone(job.status.state) || job.status.state == JobState::kPaused;
    });
  }

  template <typename Event>
  std::vector<Event> EventsOf(JobNumber number) {
    std::vector<Event> found;
    for (const JobEvent& event : Must(jobs_->Events(number, 0, 10'000))) {
      if (const auto* one = std::get_if<Event>(&event.body)) {
        found.push_back(*one);
      }
    }
    return found;
  }
  Digest WeightsOf(VersionNumber version) {
    return Must(models_->GetVersion(Named("tiny"), version)).row.weights;
  }

  TempDir folder_;
  FakeLoader loader_;
  ScriptedTrainers trainers_;
  PriorityGate gate_;
  FeatureExtractorLoader* features_ = nullptr;
  const Clock* clock_ = &RealClock();
  // At the priority of all else: on a busy machine SCHED_IDLE would wait.
  JobManagerOptions options_{.gives_way = false};
  std::unique_ptr<Store> store_;
  std::unique_ptr<DatasetManager> datasets_;
  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<ModelManager> models_;
  std::unique_ptr<JobManager> jobs_;
  VersionNumber base_;
};

}  // namespace resnetd
