#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "resnetd/v1/model_service.pb.h"
#include "server/models/model_manager.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/call_record.h"

namespace resnetd {

// One call of ModelService.ImportVersion. The next chunk is read when the one
// before is written, so that an upload holds one chunk, however large the file
// and slow the disk. A client that goes away leaves nothing behind.
//
// Made with `new`, handed to gRPC, deletes itself when the call is done.
// Start() once. Not thread-safe: a read on its way or a task carries the call.
// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): ends itself.
class ImportCall final : public grpc::ServerReadReactor<grpc::ByteBuffer> {
 public:
  // `imported` is called after a version came in, before the client knows.
  // Context and response are gRPC's; everything else outlives the call.
  ImportCall(CallEnvironment& environment, grpc::CallbackServerContext& context,
             grpc::ByteBuffer& response, ModelManager& manager,
             CallLanes& lanes, std::function<void()> imported);

  void Start();

  void OnReadDone(bool ok) override;
  void OnCancel() override { record_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  ~ImportCall() override = default;

  void ReadNext() { StartRead(&bytes_); }
  void Continue(CallLane& lane, std::function<void()> step);
  // A message came in, or the client sends no more.
  void Take();
  void TakeEnd();
  absl::Status TakeMessage();
  absl::Status TakeHeader(v1::ImportVersionHeader& header);
  absl::Status TakeChunk(const std::string& chunk);
  void Publish();
  void End(const absl::Status& outcome);

  CallRecord record_;
  grpc::ByteBuffer& response_;
  ModelManager& manager_;
  CallLanes& lanes_;
  const std::function<void()> imported_;
  // The message being read.
  grpc::ByteBuffer bytes_;
  bool has_more_ = true;
  std::size_t received_ = 0;
  // Set by the header.
  std::unique_ptr<ImportSession> session_;
};

}  // namespace resnetd
