#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "resnetd/v1/dataset_service.pb.h"
#include "server/finetune/dataset_manager.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/call_record.h"
#include "server/rpc/convert_upload.h"

namespace resnetd {

// One call of DatasetService.UploadExamples. A message is read when the one
// before is answered, so that an upload holds one message, however slow disk
// and decoder are. A client that goes away leaves what was answered, or was
// being added.
//
// Made with `new`, handed to gRPC, deletes itself when the call is done.
// Start() once. Not thread-safe: a message on its way or a task carries the
// call.
// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): ends itself.
class UploadCall final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // The context is gRPC's; everything else outlives the call.
  UploadCall(CallEnvironment& environment, grpc::CallbackServerContext& context,
             DatasetManager* manager, CallLane& lane);

  void Start();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { record_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  ~UploadCall() override = default;

  // A message came in, or the client sends no more.
  void Take();
  absl::StatusOr<v1::UploadExamplesResponse> TakeMessage();
  absl::StatusOr<v1::UploadExamplesResponse> TakeHeader(
      const v1::UploadExamplesHeader& header);
  absl::StatusOr<v1::UploadExamplesResponse> TakeBatch(v1::UploadBatch& batch);
  void Answer(const v1::UploadExamplesResponse& answer);
  void End(const absl::Status& outcome) { Finish(record_.End(outcome)); }

  CallRecord record_;
  DatasetManager* const manager_;
  CallLane& lane_;
  // The messages on their way.
  grpc::ByteBuffer received_;
  grpc::ByteBuffer sent_;
  bool has_more_ = true;
  // Of the largest message so far: the call is accounted for with it.
  std::size_t charged_ = 0;
  std::size_t examples_ = 0;
  // Set by the header.
  std::optional<UploadHeader> header_;
};

}  // namespace resnetd
