#pragma once

#include <grpcpp/grpcpp.h>

#include "resnetd/v1/classification_service.grpc.pb.h"
#include "server/rpc/classify_streams.h"
#include "server/rpc/unary_call.h"
#include "server/serving/classifier.h"

namespace resnetd {

// resnetd.v1.ClassificationService over a Classifier. Takes the bytes of the
// requests itself, so that a call can be refused before its message is parsed.
// Thread-safe.
class ClassificationService final
    : public v1::ClassificationService::WithRawCallbackMethod_Classify<
          v1::ClassificationService::WithRawCallbackMethod_ClassifyStream<
              v1::ClassificationService::WithRawCallbackMethod_Embed<
                  v1::ClassificationService::Service>>> {
 public:
  // Both belong to the caller and outlive the service.
  ClassificationService(CallEnvironment& environment, Classifier& classifier)
      : environment_(environment),
        classifier_(classifier),
        streams_(environment, classifier) {}

  grpc::ServerUnaryReactor* Classify(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ClassifyStream(
      grpc::CallbackServerContext* context) override {
    return streams_.Open(*context);
  }
  grpc::ServerUnaryReactor* Embed(grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* response) override;

  // Ends the streams as soon as what they have in flight is answered, and
  // refuses new ones from here on.
  void EndStreams() { streams_.Drain(); }
  // Ends every ClassifyStream whose credentials were taken back.
  void EndRevokedStreams() { streams_.EndRevoked(); }

 private:
  CallEnvironment& environment_;
  Classifier& classifier_;
  ClassifyStreams streams_;
};

}  // namespace resnetd
