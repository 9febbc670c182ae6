// The methods of FakeModels that measure something.
#include "tests/unit/client/fake_models.h"

namespace resnetd::test {

v1::EvaluationReport FakeModels::Measured(v1::EvaluationReport report,
                                          const std::string& version,
                                          const v1::Measurement& what) {
  report.set_version(version);
  report.set_dataset(what.dataset());
  report.set_part(what.part());
  return report;
}

grpc::Status FakeModels::EvaluateModel(grpc::ServerContext* context,
                                       const v1::EvaluateModelRequest* request,
                                       v1::EvaluateModelResponse* response) {
  if (const grpc::Status status = Begin(*context, "EvaluateModel");
      !status.ok()) {
    return status;
  }
  *response->mutable_report() =
      Measured(evaluation, request->name(), request->measurement());
  return grpc::Status::OK;
}

grpc::Status FakeModels::CompareVersions(
    grpc::ServerContext* context, const v1::CompareVersionsRequest* request,
    v1::CompareVersionsResponse* response) {
  if (const grpc::Status status = Begin(*context, "CompareVersions");
      !status.ok()) {
    return status;
  }
  v1::PairedReport& report = *response->mutable_report();
  report = comparison;
  *report.mutable_champion() =
      Measured(report.champion(), request->champion(), request->measurement());
  *report.mutable_candidate() = Measured(
      report.candidate(), request->candidate(), request->measurement());
  return grpc::Status::OK;
}

grpc::Status FakeModels::QuantizeVersion(
    grpc::ServerContext* context, const v1::QuantizeVersionRequest* request,
    v1::QuantizeVersionResponse* response) {
  if (const grpc::Status status = Begin(*context, "QuantizeVersion");
      !status.ok()) {
    return status;
  }
  v1::PrecisionReport& report = *response->mutable_report();
  report = precisions;
  report.set_dataset(request->measurement().dataset());
  report.set_part(request->measurement().part());
  v1::Version& version = *response->mutable_version();
  version.set_name(request->name());
  version.set_precision(request->validate_only() ? "fp32" : report.chosen());
  return grpc::Status::OK;
}

}  // namespace resnetd::test
