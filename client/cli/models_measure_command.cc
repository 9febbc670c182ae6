// The commands that take pictures through versions: evaluate, compare,
// calibrate, quantize.
#include <optional>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/data_text.h"
#include "client/cli/data_upload.h"
#include "client/cli/evaluation_text.h"
#include "client/cli/job_text.h"
#include "client/cli/local_data.h"
#include "client/cli/model_lookup.h"
#include "client/cli/text.h"
#include "client/cli/waiting.h"
#include "client/error_info.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

// A calibration error that another temperature would take away: worth a hint.
constexpr double kWorthCalibrating = 0.02;

absl::Status Contradiction(absl::string_view text) {
  return client::ClientError(absl::StatusCode::kInvalidArgument,
                             "CONTRADICTORY_OPTIONS", text);
}

absl::Status CheckOptions(const MeasureOptions& options) {
  if (options.data.empty() && options.dataset.empty()) {
    return Contradiction(
        "say what to measure on: --data PATH, pictures of this machine, or "
        "--dataset NAME, a dataset of the server");
  }
  if (!options.data.empty() && !options.dataset.empty()) {
    return Contradiction("--data and --dataset are one too many");
  }
  return absl::OkStatus();
}

// What to measure on: a dataset of the server, or pictures of this machine,
// which are sent if they are not there. `knows_labels`: the version has to.
absl::StatusOr<client::Measurement> Prepare(const Session& session,
                                            Client& client,
                                            const std::string& version,
                                            bool knows_labels = true) {
  const MeasureOptions& options = session.arguments.models.measure;
  client::Measurement measurement;
  measurement.dataset = options.dataset;
  if (options.data.empty()) {
    measurement.part = options.part.value_or(client::DatasetPart::kValidation);
    return measurement;
  }
  measurement.part = options.part.value_or(client::DatasetPart::kAll);
  // Before pictures are sent that nothing can be said about.
  ASSIGN_OR_RETURN(const LocalData data, LookAt(options.data, {}));
  if (knows_labels) {
    RETURN_IF_ERROR(CheckLabels(session, client, version, data.labels));
  }
  ASSIGN_OR_RETURN(const UploadOutcome outcome,
                   EnsureDataset(session, client, options.data));
  ReportRejected(session, outcome);
  measurement.dataset = ShortDataset(outcome.dataset.name);
  if (!session.arguments.global.quiet) {
    session.console.err << Printable(absl::StrCat(
                               "the pictures are dataset ", measurement.dataset,
                               " (", Describe(outcome.dataset),
                               "), which stays on the server: measuring again "
                               "sends nothing; `resnetctl data delete ",
                               measurement.dataset, "` removes it"))
                        << "\n"
                        << std::flush;
  }
  return measurement;
}

std::string WaitingText(absl::string_view what,
                        const client::Measurement& measurement) {
  return absl::StrCat(what, " on ", ShortDataset(measurement.dataset));
}

void PrintNext(const Session& session, const std::string& command) {
  if (!session.json() && !session.arguments.global.quiet && !command.empty()) {
    session.console.err << "next: " << Printable(command) << "\n";
  }
}

absl::StatusOr<client::EvaluationReport> Evaluate(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  RETURN_IF_ERROR(CheckOptions(options.measure));
  ASSIGN_OR_RETURN(Client client, Connect(session));
  ASSIGN_OR_RETURN(const std::string name,
                   AskVersionName(session, client, options.ref));
  ASSIGN_OR_RETURN(const client::Measurement measurement,
                   Prepare(session, client, name));
  Announce(session, "resnetd.v1.ModelService/EvaluateModel",
           {{"name", name}, {"measurement", MeasurementJson(measurement)}});
  const Waiting waiting(
      session.console,
      WaitingText(absl::StrCat("measuring ", ShortName(name)), measurement),
      !session.arguments.global.quiet);
  return client.EvaluateModel(name, measurement);
}

absl::StatusOr<client::PairedReport> Compare(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  RETURN_IF_ERROR(CheckOptions(options.measure));
  ASSIGN_OR_RETURN(Client client, Connect(session));
  client::CompareRequest request;
  ASSIGN_OR_RETURN(request.champion,
                   AskVersionName(session, client, options.ref));
  ASSIGN_OR_RETURN(request.candidate,
                   AskVersionName(session, client, options.other));
  ASSIGN_OR_RETURN(request.measurement,
                   Prepare(session, client, request.candidate));
  Announce(session, "resnetd.v1.ModelService/CompareVersions",
           {{"champion", request.champion},
            {"candidate", request.candidate},
            {"measurement", MeasurementJson(request.measurement)}});
  const Waiting waiting(
      session.console,
      WaitingText(absl::StrCat("comparing ", ShortName(request.champion),
                               " and ", ShortName(request.candidate)),
                  request.measurement),
      !session.arguments.global.quiet);
  return client.CompareVersions(request);
}

absl::StatusOr<client::Calibrated> Calibrate(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  RETURN_IF_ERROR(CheckOptions(options.measure));
  ASSIGN_OR_RETURN(Client client, Connect(session));
  client::CalibrateRequest request;
  request.request_id =
      options.request_id.empty() ? NewRequestId() : options.request_id;
  request.validate_only = options.dry_run;
  ASSIGN_OR_RETURN(request.name, AskVersionName(session, client, options.ref));
  ASSIGN_OR_RETURN(request.measurement, Prepare(session, client, request.name));
  Json json = {{"name", request.name},
               {"measurement", MeasurementJson(request.measurement)},
               {"request_id", request.request_id}};
  if (request.validate_only) {
    json["validate_only"] = true;
  }
  Announce(session, "resnetd.v1.ModelService/CalibrateVersion", json);
  const Waiting waiting(
      session.console,
      WaitingText(absl::StrCat("calibrating ", ShortName(request.name)),
                  request.measurement),
      !session.arguments.global.quiet);
  return client.CalibrateVersion(request);
}

absl::StatusOr<client::Quantized> Quantize(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  RETURN_IF_ERROR(CheckOptions(options.measure));
  ASSIGN_OR_RETURN(Client client, Connect(session));
  client::QuantizeRequest request;
  request.validate_only = options.dry_run;
  ASSIGN_OR_RETURN(request.name, AskVersionName(session, client, options.ref));
  ASSIGN_OR_RETURN(request.measurement, Prepare(session, client, request.name,
                                                /*knows_labels=*/false));
  Json json = {{"name", request.name},
               {"measurement", MeasurementJson(request.measurement)}};
  if (request.validate_only) {
    json["validate_only"] = true;
  }
  Announce(session, "resnetd.v1.ModelService/QuantizeVersion", json);
  const Waiting waiting(
      session.console,
      WaitingText(absl::StrCat("quantizing ", ShortName(request.name)),
                  request.measurement),
      !session.arguments.global.quiet);
  return client.QuantizeVersion(request);
}

}  // namespace

ExitCode RunModelsQuantize(const Session& session) {
  const absl::StatusOr<client::Quantized> quantized = Quantize(session);
  if (!quantized.ok()) {
    return Fail(session, quantized.status());
  }
  const bool dry_run = session.arguments.models.dry_run;
  if (session.json()) {
    session.console.out << JsonText(
        {{"version", VersionJson(quantized->version)},
         {"dry_run", dry_run},
         {"report", PrecisionReportJson(quantized->report)}});
  } else {
    session.console.out << QuantizationText(*quantized, dry_run);
  }
  return ExitCode::kOk;
}

ExitCode RunModelsEvaluate(const Session& session) {
  const absl::StatusOr<client::EvaluationReport> report = Evaluate(session);
  if (!report.ok()) {
    return Fail(session, report.status());
  }
  if (session.json()) {
    session.console.out << JsonText({{"report", EvaluationJson(*report)}});
  } else {
    session.console.out << EvaluationText(*report, session.console.terminal);
  }
  const double gain =
      report->calibration_error - report->fitted_calibration_error;
  PrintNext(session,
            gain < kWorthCalibrating
                ? ""
                : absl::StrCat("resnetctl models calibrate ",
                               ShortName(report->version), " --dataset ",
                               ShortDataset(report->dataset), " --split ",
                               client::DatasetPartName(report->part),
                               ", for better probabilities"));
  return ExitCode::kOk;
}

ExitCode RunModelsCompare(const Session& session) {
  const absl::StatusOr<client::PairedReport> report = Compare(session);
  if (!report.ok()) {
    return Fail(session, report.status());
  }
  if (session.json()) {
    session.console.out << JsonText({{"report", ComparisonJson(*report)}});
  } else {
    session.console.out << ComparisonText(*report, session.console.terminal);
  }
  const bool same_model = ModelPart(report->champion.version) ==
                          ModelPart(report->candidate.version);
  PrintNext(session, report->gate.passed && same_model
                         ? absl::StrCat("resnetctl models promote ",
                                        ShortName(report->candidate.version))
                         : "");
  return ExitCode::kOk;
}

ExitCode RunModelsCalibrate(const Session& session) {
  const absl::StatusOr<client::Calibrated> calibrated = Calibrate(session);
  if (!calibrated.ok()) {
    return Fail(session, calibrated.status());
  }
  const bool dry_run = session.arguments.models.dry_run;
  if (session.json()) {
    session.console.out << JsonText(
        {{"version", VersionJson(calibrated->version)},
         {"created", calibrated->created},
         {"dry_run", dry_run},
         {"report", EvaluationJson(calibrated->report)}});
  } else {
    session.console.out << CalibrationText(*calibrated, dry_run);
  }
  PrintNext(session, dry_run || !calibrated->created
                         ? ""
                         : absl::StrCat("resnetctl models promote ",
                                        ShortName(calibrated->version.name)));
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
