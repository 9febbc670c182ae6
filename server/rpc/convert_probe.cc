#include "server/rpc/convert_probe.h"

#include <cstddef>
#include <optional>
#include <utility>

#include "server/base/violations.h"
#include "server/rpc/convert_gradient.h"
#include "server/rpc/proto_time.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

v1::ProbedBlock BlockToProto(const ProbedBlock& block) {
  v1::ProbedBlock message;
  message.set_shortcut_is_identity(block.shortcut_is_identity);
  *message.mutable_paths() = ToProto(block.paths);
  if (block.residual_ratio) {
    message.set_residual_ratio(*block.residual_ratio);
  }
  if (block.differences) {
    message.mutable_fd_errors()->set_main(block.differences->main);
    message.mutable_fd_errors()->set_shortcut(block.differences->shortcut);
  }
  if (block.parameters) {
    v1::ParameterSplit& split = *message.mutable_parameters();
    split.set_by_main(block.parameters->by_main);
    split.set_by_shortcut(block.parameters->by_shortcut);
    split.set_whole(block.parameters->whole);
    split.set_error(block.parameters->error);
  }
  return message;
}

v1::PathDistribution PathsToProto(const PathDistribution& paths) {
  double mass = 0;
  for (const PathLength& length : paths.lengths) {
    mass += length.mass();
  }
  v1::PathDistribution message;
  for (const PathLength& length : paths.lengths) {
    v1::PathLength& out = *message.add_lengths();
    out.set_main_paths(length.main_paths);
    out.set_ways(length.ways);
    out.set_gone(length.gone);
    out.set_mean_norm(length.mean_norm);
    out.set_mass_share(mass > 0 ? length.mass() / mass : 0);
  }
  message.set_direct_share(paths.direct_share);
  if (paths.error) {
    message.set_error(*paths.error);
  }
  return message;
}

v1::ProbeOptions OptionsToProto(const ProbeSettings& settings) {
  v1::ProbeOptions message;
  message.set_batch_statistics(settings.batch_statistics);
  message.set_fd_check(settings.check_differences);
  message.set_split_parameters(settings.split_parameters);
  message.set_path_passes(settings.path_passes);
  message.set_path_seed(settings.seed);
  return message;
}

}  // namespace

absl::StatusOr<ProbeTarget> ToProbeTarget(const v1::ProbeHeader& message) {
  Violations violations;
  std::optional<VersionName> version = violations.Take(
      "header.version", ParseVersionName("header.version", message.version()));
  const v1::ProbeOptions& options = message.options();
  if (!violations.empty()) {
    return violations.ToStatus();
  }
  return ProbeTarget{
      .model = std::move(version->model),
      .version = version->version,
      .settings = {.batch_statistics = options.batch_statistics(),
                   .check_differences = options.fd_check(),
                   .split_parameters = options.split_parameters(),
                   .path_passes = options.path_passes(),
                   .seed = options.path_seed()}};
}

v1::ProbeReport ToProto(const Probed& probed, const ProbeTarget& target) {
  const ProbeReport& report = probed.report;
  v1::ProbeReport message;
  message.set_version(ResourceName(target.model, target.version));
  message.set_weights_sha256(probed.version->weights_sha256);
  message.set_examples(report.examples);
  message.set_loss(report.loss);
  *message.mutable_options() = OptionsToProto(target.settings);
  for (std::size_t i = 0; i < report.blocks.size(); ++i) {
    *message.add_blocks() = BlockToProto(report.blocks[i]);
    message.mutable_blocks(static_cast<int>(i))->set_name(probed.blocks[i]);
  }
  if (!report.blocks.empty() && report.blocks.back().paths.input > 0) {
    message.set_depth_ratio(report.blocks.front().paths.input /
                            report.blocks.back().paths.input);
  }
  if (report.distribution) {
    *message.mutable_paths() = PathsToProto(*report.distribution);
  }
  *message.mutable_took() = ToProto(probed.took);
  return message;
}

}  // namespace resnetd
