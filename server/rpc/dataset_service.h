#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/dataset_service.grpc.pb.h"
#include "server/finetune/dataset_manager.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/unary_call.h"

namespace resnetd {

// The generated service with methods that take the bytes of their messages
// themselves, so that a call can be refused before they are parsed.
namespace raw {

using GeneratedDatasets = v1::DatasetService;

template <typename Service>
using DatasetReads = GeneratedDatasets::WithRawCallbackMethod_GetDataset<
    GeneratedDatasets::WithRawCallbackMethod_ListDatasets<
        GeneratedDatasets::WithRawCallbackMethod_ListExamples<
            GeneratedDatasets::WithRawCallbackMethod_ListRejectedExamples<
                Service>>>>;

template <typename Service>
using DatasetChanges = GeneratedDatasets::WithRawCallbackMethod_CreateDataset<
    GeneratedDatasets::WithRawCallbackMethod_UploadExamples<
        GeneratedDatasets::WithRawCallbackMethod_SealDataset<
            GeneratedDatasets::WithRawCallbackMethod_DeleteDataset<Service>>>>;

using DatasetService = DatasetReads<DatasetChanges<GeneratedDatasets::Service>>;

}  // namespace raw

// resnetd.v1.DatasetService over a DatasetManager. No call waits in gRPC's
// threads, and none in the lanes of ModelService: decoding takes seconds.
// Thread-safe.
class DatasetService final : public raw::DatasetService {
 public:
  // Everything belongs to the caller and outlives the service. Null `manager`:
  // the server does not train, see NoTraining(). `max_calls`: that may be in
  // flight.
  DatasetService(CallEnvironment& environment, DatasetManager* manager,
                 std::size_t max_calls);

  grpc::ServerUnaryReactor* CreateDataset(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* UploadExamples(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* SealDataset(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetDataset(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListDatasets(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* DeleteDataset(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListExamples(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListRejectedExamples(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;

 private:
  // A call that only reads: answered at any time.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Read(
      absl::string_view method, grpc::CallbackServerContext& context,
      const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
      absl::StatusOr<Response> (*read)(DatasetManager&, const Request&));
  // A call that changes the store.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Change(
      absl::string_view method, grpc::CallbackServerContext& context,
      const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
      absl::StatusOr<Response> (*change)(DatasetManager&, const RequestLimits&,
                                         const Request&, absl::string_view));

  CallEnvironment& environment_;
  DatasetManager* const manager_;
  // Changes, one after the other.
  CallLane control_;
  // Each upload has at most one task in it: it is never full.
  CallLane uploads_;
  CallLane reads_;
};

}  // namespace resnetd
