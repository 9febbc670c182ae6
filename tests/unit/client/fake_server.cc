#include "tests/unit/client/fake_server.h"

#include <grpcpp/health_check_service_interface.h>

#include <chrono>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace resnetd::test {
namespace {

void FillServedBy(v1::ServedBy& served_by) {
  served_by.set_model("models/digits");
  served_by.set_version(3);
  served_by.set_weights_sha256("abc123");
  served_by.set_precision("fp32");
  served_by.set_backend("engine");
  served_by.set_alias("stable");
}

void FillTiming(int images, v1::Timing& timing) {
  timing.mutable_queue()->set_nanos(100'000);
  timing.mutable_decode()->set_nanos(2'000'000);
  timing.mutable_preprocess()->set_nanos(500'000);
  timing.mutable_compute()->set_nanos(20'000'000);
  timing.mutable_postprocess()->set_nanos(50'000);
  timing.mutable_total()->set_nanos(25'000'000);
  timing.set_batch_size(images);
  timing.set_batch_close_reason(v1::BATCH_CLOSE_REASON_FULL);
}

}  // namespace

void FillAnswer(const v1::ClassifyRequest& request,
                v1::ClassifyResponse& response) {
  for (int i = 0; i < request.images_size(); ++i) {
    auto* classification = response.add_results()->mutable_classification();
    auto* first = classification->add_predictions();
    first->set_index(281);
    first->set_label("tabby cat");
    first->set_probability(0.75F);
    first->set_logit(9.5F);
    auto* second = classification->add_predictions();
    second->set_index(285);
    second->set_label("Egyptian cat");
    second->set_probability(0.1F);
    second->set_logit(7.75F);
    if (request.options().logits()) {
      classification->add_logits(9.5F);
      classification->add_logits(0.1F);
    }
  }
  FillServedBy(*response.mutable_served_by());
  if (request.options().timing()) {
    FillTiming(request.images_size(), *response.mutable_timing());
  }
  response.set_request_id(request.request_id());
}

void FillAnswer(const v1::EmbedRequest& request, v1::EmbedResponse& response) {
  for (const v1::Image& image : request.images()) {
    v1::EmbedResult& result = *response.add_results();
    if (image.encoded() == "broken") {
      *result.mutable_error() =
          RichError(grpc::StatusCode::INVALID_ARGUMENT,
                    "the JPEG ends too early", "IMAGE_DECODE_FAILED");
      continue;
    }
    result.mutable_embedding()->add_values(
        static_cast<float>(image.encoded().size()));
    result.mutable_embedding()->add_values(0.5F);
    result.mutable_embedding()->add_values(-2);
  }
  FillServedBy(*response.mutable_served_by());
  if (request.options().timing()) {
    FillTiming(request.images_size(), *response.mutable_timing());
  }
  response.set_request_id(request.request_id());
}

void FillInfo(v1::GetServerInfoResponse& info) {
  info.set_version("0.1.0");
  info.set_grpc_version("1.51.1");
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  info.mutable_start_time()->set_seconds(
      std::chrono::duration_cast<std::chrono::seconds>(now).count() - 60);
  info.mutable_uptime()->set_seconds(60);
  info.set_ready(true);
  const auto add_limit = [&info](const char* name, std::int64_t value) {
    auto* limit = info.add_limits();
    limit->set_name(name);
    limit->set_value(value);
  };
  add_limit("max-images-per-request", 256);
  add_limit("max-image-bytes", 20 << 20);
  auto* engine = info.add_backends();
  engine->set_name("engine");
  engine->set_usable(true);
  engine->set_detail("oneDNN 2.6.3, AVX2");
  auto* torch = info.add_backends();
  torch->set_name("torch");
  torch->set_usable(false);
  torch->set_detail("libresnetd_torch.so is not there");
  info.set_cpu_cores(2);
}

FakeHooks FakeHooks::Default() {
  FakeHooks hooks;
  hooks.classify = [](grpc::ServerContext& /*context*/,
                      const v1::ClassifyRequest& request,
                      v1::ClassifyResponse& response) {
    FillAnswer(request, response);
    return grpc::Status::OK;
  };
  hooks.embed = [](const v1::EmbedRequest& request,
                   v1::EmbedResponse& response) {
    FillAnswer(request, response);
    return grpc::Status::OK;
  };
  hooks.server_info = [](v1::GetServerInfoResponse& response) {
    FillInfo(response);
    return grpc::Status::OK;
  };
  return hooks;
}

FakeServer::FakeServer(const std::string& host, int port) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat(host, ":", port),
                           grpc::InsecureServerCredentials(), &port_);
  builder.SetMaxReceiveMessageSize(64 << 20);
  builder.RegisterService(
      static_cast<v1::ClassificationService::Service*>(this));
  builder.RegisterService(&models_);
  builder.RegisterService(&jobs_);
  builder.RegisterService(&labs_);
  builder.RegisterService(static_cast<v1::ServerService::Service*>(this));
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat(host, ":", port_);
}

FakeServer::~FakeServer() {
  models_.Stop();
  jobs_.Stop();
  if (server_ == nullptr) {
    return;
  }
  // A hook that waits for its caller is let go by a deadline that has passed.
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

void FakeServer::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void FakeServer::SetServing(const std::string& service, bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(service, serving);
}

std::vector<v1::ClassifyRequest> FakeServer::classify_requests() const {
  MutexLock lock(mutex_);
  return classify_requests_;
}

grpc::Status FakeServer::Classify(grpc::ServerContext* context,
                                  const v1::ClassifyRequest* request,
                                  v1::ClassifyResponse* response) {
  ++calls_;
  {
    MutexLock lock(mutex_);
    classify_requests_.push_back(*request);
  }
  return hooks_.classify(*context, *request, *response);
}

std::vector<v1::EmbedRequest> FakeServer::embed_requests() const {
  MutexLock lock(mutex_);
  return embed_requests_;
}

grpc::Status FakeServer::ClassifyStream(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::ClassifyStreamResponse,
                             v1::ClassifyStreamRequest>* stream) {
  ++streams_;
  if (hooks_.classify_stream) {
    return hooks_.classify_stream(*stream);
  }
  v1::ClassifyStreamRequest message;
  while (stream->Read(&message)) {
    v1::ClassifyStreamResponse answer;
    answer.set_request_id(message.request().request_id());
    const grpc::Status status =
        Classify(context, &message.request(), answer.mutable_response());
    if (!status.ok()) {
      google::rpc::Status& error = *answer.mutable_error();
      error.ParseFromString(status.error_details());
      error.set_code(status.error_code());
      error.set_message(status.error_message());
    }
    stream->Write(answer);
  }
  return grpc::Status::OK;
}

grpc::Status FakeServer::Embed(grpc::ServerContext* /*context*/,
                               const v1::EmbedRequest* request,
                               v1::EmbedResponse* response) {
  ++calls_;
  {
    MutexLock lock(mutex_);
    embed_requests_.push_back(*request);
  }
  return hooks_.embed(*request, *response);
}

grpc::Status FakeServer::GetServerInfo(
    grpc::ServerContext* /*context*/,
    const v1::GetServerInfoRequest* /*request*/,
    v1::GetServerInfoResponse* response) {
  ++calls_;
  return hooks_.server_info(*response);
}

}  // namespace resnetd::test
