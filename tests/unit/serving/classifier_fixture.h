#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "server/base/priority_gate.h"
#include "server/models/model_registry.h"
#include "server/serving/classifier.h"
#include "server/telemetry/serving_metrics.h"
#include "tests/support/fake_model.h"
#include "tests/unit/serving/serving_fixture.h"

namespace resnetd {

// A classifier with its own registry, serving the given versions.
class ClassifierTest : public testing::Test {
 protected:
  void Start(ClassifierOptions options = {}, FakeModel::Hook hook = nullptr) {
    registry_.Serve(FakeVersion(FakeFacts(), std::move(hook)));
    classifier_ = Classifier::Create(options, registry_, *telemetry_,
                                     RealClock(), &gate_);
  }

  absl::StatusOr<ClassifyResponse> Call(ClassifyRequest request) {
    AnswerBox answer;
    request.arrived = RealClock().Now();
    classifier_->Classify(std::move(request), answer.Taker());
    return answer.Take();
  }

  ModelRegistry registry_;
  std::unique_ptr<Telemetry> telemetry_ = Telemetry::Create();
  PriorityGate gate_;
  std::unique_ptr<Classifier> classifier_;
};

}  // namespace resnetd
