#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <vector>

#include "resnetd/v1/gradient_lab_service.grpc.pb.h"
#include "server/base/mutex.h"

namespace resnetd::test {

// GradientLabService without networks: answers `report` whatever it is asked.
// Thread-safe; the fields are changed before the first call.
class FakeLabs final : public v1::GradientLabService::Service {
 public:
  v1::ProbeReport report;
  // An error is the answer of a call. Empty: nothing fails.
  std::function<grpc::Status()> fail;

  // Messages of the last call.
  std::vector<v1::ProbeGradientsRequest> messages() const
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    return messages_;
  }
  int calls() const { return calls_; }

  grpc::Status ProbeGradients(
      grpc::ServerContext* /*context*/,
      grpc::ServerReader<v1::ProbeGradientsRequest>* reader,
      v1::ProbeGradientsResponse* response) override {
    ++calls_;
    std::vector<v1::ProbeGradientsRequest> messages(1);
    while (reader->Read(&messages.back())) {
      messages.emplace_back();
    }
    messages.pop_back();
    {
      const MutexLock lock(mutex_);
      messages_ = messages;
    }
    *response->mutable_report() = report;
    return fail ? fail() : grpc::Status::OK;
  }

 private:
  std::atomic<int> calls_ = 0;  // A counter.
  mutable Mutex mutex_;
  std::vector<v1::ProbeGradientsRequest> messages_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd::test
