#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "resnetd/v1/dataset_service.grpc.pb.h"

namespace resnetd {

inline v1::UploadExample ExampleMessage(const std::string& image,
                                        const std::string& label = "cat",
                                        const std::string& name = "x.png") {
  v1::UploadExample example;
  example.set_name(name);
  example.set_label(label);
  example.set_image(image);
  return example;
}

inline v1::UploadBatch BatchOf(std::int64_t first_index,
                               const std::vector<std::string>& images) {
  v1::UploadBatch batch;
  batch.set_first_index(first_index);
  for (const std::string& image : images) {
    *batch.add_examples() = ExampleMessage(image);
  }
  return batch;
}

// One call of UploadExamples, message by message.
class ExampleUpload {
 public:
  explicit ExampleUpload(
      v1::DatasetService::Stub& stub,
      std::chrono::milliseconds deadline = std::chrono::seconds(20),
      const std::string& request_id = "") {
    context_.set_deadline(std::chrono::system_clock::now() + deadline);
    if (!request_id.empty()) {
      context_.AddMetadata("x-request-id", request_id);
    }
    stream_ = stub.UploadExamples(&context_);
  }

  // Sends without waiting; false: the call has ended.
  bool SendHeader(const std::string& dataset = "datasets/pets",
                  const std::string& upload = "up") {
    v1::UploadExamplesRequest message;
    message.mutable_header()->set_dataset(dataset);
    message.mutable_header()->set_upload(upload);
    return stream_->Write(message);
  }
  bool SendBatch(const v1::UploadBatch& batch) {
    v1::UploadExamplesRequest message;
    *message.mutable_batch() = batch;
    return stream_->Write(message);
  }
  bool SendNothing() { return stream_->Write({}); }
  // The next answer, in answer(); false: the call has ended.
  bool Read() { return stream_->Read(&answer_); }

  bool Header(const std::string& dataset = "datasets/pets",
              const std::string& upload = "up") {
    return SendHeader(dataset, upload) && Read();
  }
  bool Batch(const v1::UploadBatch& batch) {
    return SendBatch(batch) && Read();
  }

  grpc::Status Finish() {
    stream_->WritesDone();
    while (stream_->Read(&answer_)) {
    }
    return stream_->Finish();
  }
  void Cancel() { context_.TryCancel(); }

  grpc::ClientContext& context() { return context_; }
  const v1::UploadExamplesResponse& answer() const { return answer_; }

 private:
  grpc::ClientContext context_;
  v1::UploadExamplesResponse answer_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::UploadExamplesRequest,
                                           v1::UploadExamplesResponse>>
      stream_;
};

}  // namespace resnetd
