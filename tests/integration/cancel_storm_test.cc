#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "resnetd/v1/classification_service.grpc.pb.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mutex.h"
#include "server/models/model_registry.h"
#include "server/rpc/grpc_server.h"
#include "server/serving/classifier.h"
#include "server/telemetry/serving_metrics.h"
#include "tests/support/fake_model.h"
#include "tests/support/fake_model_manager.h"

namespace resnetd {
namespace {

// Side of the pictures: four bytes of their pixels hold the number of the call.
constexpr int kSide = 8;
// Of the calls that are cancelled, or have a deadline too short to hold.
constexpr int kCancelledPercent = 30;
constexpr std::size_t kInFlight = 96;
// Longer than the long form on a busy machine.
constexpr Duration kNoAge = std::chrono::hours(24);
constexpr Duration kBatchTime = std::chrono::microseconds(200);

bool IsLong() { return std::getenv("RESNETD_TEST_LONG") != nullptr; }

std::uint32_t NumberOf(const std::uint8_t* pixels) {
  std::uint32_t number = 0;
  std::memcpy(&number, pixels, sizeof(number));
  return number;
}

// What is in flight and whether its caller has gone, as the server sees it.
// Thread-safe.
class Flags {
 public:
  void Add(std::uint32_t number, CancelFlag flag) {
    MutexLock lock(mutex_);
    flags_.emplace(number, std::move(flag));
  }
  void Remove(std::uint32_t number) {
    MutexLock lock(mutex_);
    flags_.erase(number);
  }
  std::set<std::uint32_t> Cancelled() const {
    std::set<std::uint32_t> cancelled;
    MutexLock lock(mutex_);
    for (const auto& [number, flag] : flags_) {
      if (flag->load()) {
        cancelled.insert(number);
      }
    }
    return cancelled;
  }

 private:
  mutable Mutex mutex_;
  std::unordered_map<std::uint32_t, CancelFlag> flags_ ABSL_GUARDED_BY(mutex_);
};

// Passes everything on and keeps the cancel flags of what is in flight.
class WatchedClassifier final : public Classifier {
 public:
  WatchedClassifier(Classifier& classifier, Flags& flags)
      : classifier_(classifier), flags_(flags) {}

  void Classify(ClassifyRequest request, Done done) override {
    created_.fetch_add(1);
    const std::uint32_t number =
        NumberOf(std::get<PixelImage>(request.images[0]).pixels.rgb.data());
    flags_.Add(number, request.cancelled);
    classifier_.Classify(std::move(request),
                         [this, number, done = std::move(done)](
                             absl::StatusOr<ClassifyResponse> response) {
                           flags_.Remove(number);
                           released_.fetch_add(1);
                           done(std::move(response));
                         });
  }
  std::size_t PixelBytes(const ClassifyRequest& request) const override {
    return classifier_.PixelBytes(request);
  }
  void Close() override { classifier_.Close(); }
  std::size_t in_flight() const override { return classifier_.in_flight(); }

  std::int64_t created() const { return created_.load(); }
  std::int64_t released() const { return released_.load(); }

 private:
  Classifier& classifier_;
  Flags& flags_;
  // Counters, compared when nothing runs any more.
  std::atomic<std::int64_t> created_{0};
  std::atomic<std::int64_t> released_{0};
};

// A network that takes its time, and counts the pictures that it should not
// have got: whose caller had gone before the batch before this one ended. With
// one worker the batch was built after that.
class WatchingModel final : public Model {
 public:
  explicit WatchingModel(const Flags& flags) : flags_(flags) {}

  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const override {
    MutexLock lock(mutex_);
    for (const Pixels* picture : batch) {
      late_ += gone_.count(NumberOf(picture->rgb.data()));
      ++pictures_;
    }
    const SteadyTime end = RealClock().Now() + kBatchTime;
    while (RealClock().Now() < end) {
      std::this_thread::yield();
    }
    gone_ = flags_.Cancelled();
    seen_gone_ += gone_.size();
    return std::vector<float>(batch.size() * 10, 0.5F);
  }
  std::string precision() const override { return "fp32"; }
  std::string backend() const override { return "watching"; }
  std::int64_t resident_bytes() const override { return 0; }

  std::size_t late() const {
    MutexLock lock(mutex_);
    return late_;
  }
  std::size_t pictures() const {
    MutexLock lock(mutex_);
    return pictures_;
  }
  // How often a caller had gone while its picture was waiting or running.
  std::size_t seen_gone() const {
    MutexLock lock(mutex_);
    return seen_gone_;
  }

 private:
  const Flags& flags_;
  mutable Mutex mutex_;
  mutable std::set<std::uint32_t> gone_ ABSL_GUARDED_BY(mutex_);
  mutable std::size_t late_ ABSL_GUARDED_BY(mutex_) = 0;
  mutable std::size_t pictures_ ABSL_GUARDED_BY(mutex_) = 0;
  mutable std::size_t seen_gone_ ABSL_GUARDED_BY(mutex_) = 0;
};

v1::ClassifyRequest PictureOf(std::uint32_t number) {
  v1::ClassifyRequest request;
  v1::RawImage& raw = *request.add_images()->mutable_raw();
  std::string pixels(std::size_t{kSide} * kSide * 3, '\0');
  std::memcpy(pixels.data(), &number, sizeof(number));
  raw.set_data(pixels);
  raw.set_width(kSide);
  raw.set_height(kSide);
  raw.set_format(v1::RawImage::FORMAT_RGB8);
  raw.set_at_network_size(true);
  return request;
}

// Makes many calls at once, and cancels some of them after so many others have
// begun. Start() from one thread.
class Storm {
 public:
  Storm(v1::ClassificationService::Stub& stub, std::uint64_t seed)
      : stub_(stub), random_(seed) {}

  // Begins a call when there is room for one.
  void Start(std::uint32_t number) ABSL_LOCKS_EXCLUDED(mutex_) {
    auto call = std::make_shared<Call>();
    call->request = PictureOf(number);
    const bool is_cancelled = Below(100) < kCancelledPercent;
    // By the caller at some time, or by a deadline of up to 10 ms.
    const bool by_deadline = is_cancelled && Below(4) == 0;
    call->context.set_deadline(
        std::chrono::system_clock::now() +
        (by_deadline ? std::chrono::microseconds(Below(10'000))
                     : std::chrono::duration_cast<std::chrono::microseconds>(
                           std::chrono::seconds(60))));
    {
      MutexLock lock(mutex_);
      while (in_flight_ >= kInFlight) {
        changed_.Wait(mutex_);
      }
      ++in_flight_;
    }
    // The call is given up before it counts as ended: its context holds the
    // channel, and whoever gives up the last channel and server in a thread of
    // gRPC's callbacks ends the queue that this thread reads (1.51).
    stub_.async()->Classify(
        &call->context, &call->request, &call->response,
        [this, held = call](const grpc::Status& status) mutable {
          held.reset();
          End(status);
        });
    if (is_cancelled && !by_deadline) {
      // Some at once, most while they wait or run, some after their answer.
      cancels_.push_back({started_ + Below(2 * kInFlight), call});
    }
    ++started_;
    CancelWhatIsDue();
  }

  void WaitForTheEnd() ABSL_LOCKS_EXCLUDED(mutex_) {
    started_ = std::numeric_limits<std::size_t>::max();
    CancelWhatIsDue();
    MutexLock lock(mutex_);
    while (in_flight_ > 0) {
      changed_.Wait(mutex_);
    }
  }

  std::size_t Ended(grpc::StatusCode code) const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return ended_.at(static_cast<std::size_t>(code));
  }
  // How the calls ended that were neither answered nor cancelled nor late: a
  // line for each code and text, with how many there were.
  std::string Unexpected() const ABSL_LOCKS_EXCLUDED(mutex_) {
    std::string text;
    MutexLock lock(mutex_);
    for (const auto& [end, count] : unexpected_) {
      absl::StrAppend(&text, count, " calls ended with ", end, "\n");
    }
    return text;
  }

 private:
  struct Call {
    grpc::ClientContext context;
    v1::ClassifyRequest request;
    v1::ClassifyResponse response;
  };
  struct Cancel {
    std::size_t when = 0;
    std::shared_ptr<Call> call;
  };

  std::size_t Below(std::size_t bound) { return random_() % bound; }

  void CancelWhatIsDue() {
    for (std::size_t i = 0; i < cancels_.size();) {
      if (cancels_[i].when <= started_) {
        cancels_[i].call->context.TryCancel();
        cancels_[i] = std::move(cancels_.back());
        cancels_.pop_back();
      } else {
        ++i;
      }
    }
  }

  void End(const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    const grpc::StatusCode code = status.error_code();
    MutexLock lock(mutex_);
    --in_flight_;
    ++ended_.at(static_cast<std::size_t>(code));
    if (code != grpc::StatusCode::OK && code != grpc::StatusCode::CANCELLED &&
        code != grpc::StatusCode::DEADLINE_EXCEEDED) {
      ++unexpected_[absl::StrCat("code ", static_cast<int>(code), ": ",
                                 status.error_message())];
    }
    changed_.NotifyAll();
  }

  v1::ClassificationService::Stub& stub_;
  std::mt19937_64 random_;
  std::size_t started_ = 0;
  std::vector<Cancel> cancels_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::size_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<std::size_t, 17> ended_ ABSL_GUARDED_BY(mutex_) = {};
  std::map<std::string, std::size_t> unexpected_ ABSL_GUARDED_BY(mutex_);
};

// Gauges of an exposition that must be 0 when nothing is in flight, and are
// not.
std::string GaugesNotZero(const std::string& exposition) {
  std::string found;
  for (const absl::string_view line : absl::StrSplit(exposition, '\n')) {
    double value = 0;
    const bool counts = absl::StrContains(line, "in_flight") ||
                        absl::StrContains(line, "rpc_held_bytes") ||
                        absl::StartsWith(line, "resnetd_queue_depth_images") ||
                        absl::StartsWith(line, "resnetd_decode_pool_queue");
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
    if (counts && parts.size() == 2 && absl::SimpleAtod(parts[1], &value) &&
        value != 0) {
      absl::StrAppend(&found, line, "\n");
    }
  }
  return found;
}

class CancelStormTest : public testing::Test {
 protected:
  CancelStormTest() {
    VersionFacts facts = FakeFacts("watched");
    facts.preprocess.resize = kSide;
    facts.preprocess.crop = kSide;
    auto model = std::make_unique<WatchingModel>(flags_);
    model_ = model.get();
    version_ = std::make_shared<ServedVersion>(ServedVersion{
        .facts = std::move(facts), .model = std::move(model), .load_time = {}});
    registry_.Serve(version_);
    ConfigureLog({.level = LogLevel::kError});
    ClassifierOptions options;
    options.max_batch = 4;
    options.workers = 1;
    // A busy machine is no overload.
    options.queue.max_wait = std::chrono::seconds(60);
    real_ = Classifier::Create(options, registry_, *telemetry_, RealClock());
    classifier_ = std::make_unique<WatchedClassifier>(*real_, flags_);
  }

  // Listens, with connections that are renewed at an age.
  void Listen(Duration age) {
    GrpcServerOptions options;
    options.host = "127.0.0.1";
    options.port = 0;
    options.max_connection_age = age;
    auto server = GrpcServer::Start(options, *classifier_, registry_, manager_,
                                    *telemetry_, {}, RealClock());
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetReady(true);
    stub_ = v1::ClassificationService::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->port()),
                            grpc::InsecureChannelCredentials()));
  }

  // Waits until nothing is left of any request, for a second at most.
  void ExpectNothingLeft() {
    const SteadyTime end = RealClock().Now() + std::chrono::seconds(1);
    std::string gauges;
    do {
      gauges = GaugesNotZero(telemetry_->Expose());
    } while (RealClock().Now() < end &&
             (!gauges.empty() ||
              classifier_->created() != classifier_->released() ||
              version_.use_count() != 2));
    EXPECT_EQ(gauges, "");
    EXPECT_TRUE(
        absl::StrContains(telemetry_->Expose(), "resnetd_rpc_in_flight{"));
    EXPECT_TRUE(
        absl::StrContains(telemetry_->Expose(), "resnetd_queue_depth_images{"));
    EXPECT_TRUE(absl::StrContains(telemetry_->Expose(),
                                  "\nresnetd_rpc_held_bytes 0\n"));
    EXPECT_EQ(classifier_->created(), classifier_->released());
    EXPECT_EQ(real_->in_flight(), 0U);
    // Ours and the registry's: every state of a request has given up its own.
    EXPECT_EQ(version_.use_count(), 2);
  }

  Flags flags_;
  ModelRegistry registry_;
  FakeModelManager manager_;
  std::unique_ptr<Telemetry> telemetry_ = Telemetry::Create();
  std::shared_ptr<ServedVersion> version_;
  WatchingModel* model_ = nullptr;
  std::unique_ptr<Classifier> real_;
  std::unique_ptr<WatchedClassifier> classifier_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::ClassificationService::Stub> stub_;
};

TEST_F(CancelStormTest, NothingIsLeftAndNothingCancelledRuns) {
  Listen(kNoAge);
  const std::uint32_t calls = IsLong() ? 1'000'000 : 20'000;
  Storm storm(*stub_, /*seed=*/8);
  for (std::uint32_t i = 0; i < calls; ++i) {
    storm.Start(i);
  }
  storm.WaitForTheEnd();
  ExpectNothingLeft();
  EXPECT_EQ(model_->late(), 0U);
  const std::size_t answered = storm.Ended(grpc::StatusCode::OK);
  const std::size_t cancelled = storm.Ended(grpc::StatusCode::CANCELLED);
  const std::size_t late = storm.Ended(grpc::StatusCode::DEADLINE_EXCEEDED);
  // Nobody got anything else, and every kind of call was there.
  EXPECT_EQ(storm.Unexpected(), "");
  EXPECT_EQ(answered + cancelled + late, calls);
  EXPECT_GT(answered, calls / 2);
  EXPECT_GT(cancelled, calls / 20);
  EXPECT_GT(late, calls / 200);
  // The check of the model is not vacuous.
  EXPECT_GT(model_->seen_gone(), calls / 200);
  EXPECT_LT(model_->pictures(), calls - calls / 200);
  RecordProperty("pictures_run", static_cast<int>(model_->pictures()));
}

// gRPC closes a connection at its age as soon as the last call on it is
// answered. If the client has sent something meanwhile, its system may see a
// reset before it has read the last answers: these are UNAVAILABLE.
TEST_F(CancelStormTest, ConnectionsThatAreRenewedLeaveNothing) {
  Listen(std::chrono::milliseconds(100));
  const std::uint32_t calls = IsLong() ? 200'000 : 5'000;
  Storm storm(*stub_, /*seed=*/9);
  for (std::uint32_t i = 0; i < calls; ++i) {
    storm.Start(i);
  }
  storm.WaitForTheEnd();
  ExpectNothingLeft();
  const std::size_t lost = storm.Ended(grpc::StatusCode::UNAVAILABLE);
  EXPECT_LE(lost, calls / 100) << storm.Unexpected();
  EXPECT_EQ(storm.Ended(grpc::StatusCode::OK) +
                storm.Ended(grpc::StatusCode::CANCELLED) +
                storm.Ended(grpc::StatusCode::DEADLINE_EXCEEDED) + lost,
            calls)
      << storm.Unexpected();
}

TEST_F(CancelStormTest, StreamsThatBreakOffAtAnyTimeLeaveNothing) {
  Listen(kNoAge);
  const int streams = IsLong() ? 20'000 : 400;
  std::atomic<std::uint32_t> number{0};
  std::atomic<int> whole{0};
  std::atomic<int> broken_off{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&, client] {
      std::mt19937_64 random(static_cast<std::uint64_t>(client));
      for (int i = 0; i < streams / 4; ++i) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() +
                             std::chrono::seconds(60));
        const auto call = stub_->ClassifyStream(&context);
        const std::uint64_t requests = random() % 20;
        const std::uint64_t cancel_at = random() % 40;
        for (std::uint64_t r = 0; r < requests; ++r) {
          v1::ClassifyStreamRequest message;
          *message.mutable_request() = PictureOf(number.fetch_add(1));
          message.mutable_request()->set_request_id(absl::StrCat(r));
          call->Write(message);
          if (r == cancel_at) {
            context.TryCancel();
          }
        }
        call->WritesDone();
        std::uint64_t answers = 0;
        v1::ClassifyStreamResponse response;
        while (call->Read(&response)) {
          EXPECT_TRUE(response.has_response()) << response.ShortDebugString();
          ++answers;
        }
        const grpc::Status status = call->Finish();
        if (status.ok()) {
          ++whole;
          EXPECT_EQ(answers, requests);
        } else {
          ++broken_off;
          EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED)
              << status.error_message();
        }
      }
    });
  }
  for (std::thread& client : clients) {
    client.join();
  }
  ExpectNothingLeft();
  EXPECT_EQ(model_->late(), 0U);
  // About three of four are left alone.
  EXPECT_GT(whole, streams / 2);
  EXPECT_GT(broken_off, streams / 10);
}

}  // namespace
}  // namespace resnetd
