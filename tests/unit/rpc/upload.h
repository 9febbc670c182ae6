#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "resnetd/v1/model_service.grpc.pb.h"
#include "tests/support/fake_model_manager.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {

// The header of `file` as a version of `model`, valid in every field.
inline v1::ImportVersionHeader HeaderOf(const std::string& file,
                                        const std::string& model = "net") {
  v1::ImportVersionHeader header;
  header.set_model("models/" + model);
  header.set_sha256(FakeModelManager::DigestOf(file));
  header.set_size_bytes(static_cast<std::int64_t>(file.size()));
  return header;
}

// One call of ImportVersion, message by message.
class Upload {
 public:
  explicit Upload(v1::ModelService::Stub& stub,
                  std::chrono::milliseconds deadline = std::chrono::seconds(20),
                  const std::string& request_id = "") {
    context_.set_deadline(std::chrono::system_clock::now() + deadline);
    if (!request_id.empty()) {
      context_.AddMetadata("x-request-id", request_id);
    }
    writer_ = stub.ImportVersion(&context_, &response_);
  }

  // False: the call has ended.
  bool Header(const v1::ImportVersionHeader& header) {
    v1::ImportVersionRequest message;
    *message.mutable_header() = header;
    return writer_->Write(message);
  }
  bool Chunk(const std::string& bytes) {
    v1::ImportVersionRequest message;
    message.set_chunk(bytes);
    return writer_->Write(message);
  }
  bool Nothing() { return writer_->Write({}); }
  // Nothing is sent any more. Once.
  void HalfClose() {
    writer_->WritesDone();
    is_half_closed_ = true;
  }
  grpc::Status Finish() {
    if (!is_half_closed_) {
      HalfClose();
    }
    return writer_->Finish();
  }
  // Header and file in chunks of `chunk` bytes, then Finish().
  grpc::Status Send(const v1::ImportVersionHeader& header,
                    const std::string& file, std::size_t chunk = 1U << 20U) {
    bool open = Header(header);
    for (std::size_t at = 0; open && at < file.size(); at += chunk) {
      open = Chunk(file.substr(at, chunk));
    }
    return Finish();
  }
  void Cancel() { context_.TryCancel(); }

  grpc::ClientContext& context() { return context_; }
  const v1::ImportVersionResponse& response() const { return response_; }

 private:
  grpc::ClientContext context_;
  v1::ImportVersionResponse response_;
  std::unique_ptr<grpc::ClientWriter<v1::ImportVersionRequest>> writer_;
  bool is_half_closed_ = false;
};

}  // namespace resnetd
