#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "client/load/load_run.h"
#include "client/target.h"
#include "client/types.h"
#include "resnetd/v1/classification_service.pb.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd {

// What a version answers, by request and picture; asked of the server itself,
// one version at a time.
struct VersionAnswers {
  std::string digest;
  // [request][picture][class]
  std::vector<std::vector<std::vector<float>>> logits;

  // What the version says to the next request.
  void Learn(const client::ClassifyAnswer& answer);
};

struct LoadReport {
  std::size_t answers = 0;
  std::size_t failed = 0;
  // Answers whose version, digest and logits do not belong together.
  std::size_t mixed = 0;
  std::map<std::int64_t, std::size_t> by_version;
  // The first failure or mixed answer.
  std::string example;
  // From the moment a call was due to its answer, in the order of the answers.
  std::vector<double> latencies_ms;
  double seconds = 0;
};

// Calls a server at a given rate and checks every answer.
class ClassifyLoad {
 public:
  struct Options {
    // Calls a second; 0: as fast as answers come.
    double rate = 0;
    // A call that is due waits while so many are out.
    std::size_t max_outstanding = 16;
    // Between two batch sizes the logits of a picture may differ so much by
    // rounding; versions that are told apart differ by 1.
    double tolerance = 1e-2;
  };

  // Starts, on connections of its own. `answers` outlive it.
  ClassifyLoad(const client::Target& target,
               const std::vector<client::ClassifyRequest>& requests,
               const std::map<std::int64_t, VersionAnswers>& answers,
               const Options& options);
  // Waits for all that is out.
  LoadReport Stop();

 private:
  void Run();
  // The next call may go; false: the end has come.
  bool WaitForTurn(SteadyTime due) ABSL_LOCKS_EXCLUDED(mutex_);
  client::CallOutcome Check(std::size_t number,
                            const v1::ClassifyResponse& response)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Ended(SteadyTime due, const client::CallOutcome& outcome)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Empty: the answer to that request is one version's.
  std::string WrongWith(std::size_t request,
                        const v1::ClassifyResponse& response) const;

  const std::size_t requests_;
  const std::map<std::int64_t, VersionAnswers>& answers_;
  const Options options_;
  const SteadyTime started_;
  Mutex mutex_;
  CondVar changed_;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  std::size_t outstanding_ ABSL_GUARDED_BY(mutex_) = 0;
  LoadReport report_ ABSL_GUARDED_BY(mutex_);
  const std::unique_ptr<client::Caller> caller_;
  Thread thread_;
};

}  // namespace resnetd
