// What it costs to watch how many streams connections have open: ./dev bench
// streams.

#include <benchmark/benchmark.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rpc/open_streams.h"

namespace resnetd {
namespace {

// A server that takes no call, and connections with a call each.
class Connections {
 public:
  explicit Connections(std::size_t count) {
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 1);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterAsyncGenericService(&service_);
    server_queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    for (std::size_t i = 0; i < count; ++i) {
      Connect();
    }
    OpenStreamsReader reader(static_cast<int>(count) + 1);
    while (reader.Next().size() < count) {
    }
  }
  ~Connections() {
    for (const auto& call : calls_) {
      call->context.TryCancel();
    }
    queue_.Shutdown();
    Empty(queue_);
    server_->Shutdown(std::chrono::system_clock::now());
    server_queue_->Shutdown();
    Empty(*server_queue_);
  }
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

 private:
  struct Call {
    std::unique_ptr<grpc::GenericStub> stub;
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  };

  static void Empty(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    while (queue.Next(&tag, &ok)) {
    }
  }

  void Connect() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto call = std::make_unique<Call>();
    call->stub = std::make_unique<grpc::GenericStub>(grpc::CreateCustomChannel(
        absl::StrCat("ipv4:127.0.0.1:", port_),
        grpc::InsecureChannelCredentials(), arguments));
    call->stream =
        call->stub->PrepareCall(&call->context, "/bench/Wait", &queue_);
    call->stream->StartCall(call.get());
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
    calls_.push_back(std::move(call));
  }

  int port_ = 0;
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> server_queue_;
  std::unique_ptr<grpc::Server> server_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Call>> calls_;
};

// A look at so many connections.
void BenchLook(benchmark::State& state) {
  const Connections connections(static_cast<std::size_t>(state.range(0)));
  OpenStreamsReader reader;
  for (auto _ : state) {
    benchmark::DoNotOptimize(reader.Next());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BenchLook)->Arg(1)->Arg(100)->Arg(500)->Unit(benchmark::kMicrosecond);

// Whether there are calls that no handler has seen.
void BenchCount(benchmark::State& state) {
  const Connections connections(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(CallsBegunAndNotEnded());
  }
}
BENCHMARK(BenchCount)->Arg(1)->Arg(500)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace resnetd

BENCHMARK_MAIN();
