#include "client/convert.h"
#include "client/gradient_convert.h"
#include "client/probe_convert.h"

namespace resnetd::client {
namespace {

ProbedBlock BlockOf(const v1::ProbedBlock& message) {
  ProbedBlock block;
  block.name = message.name();
  block.shortcut_is_identity = message.shortcut_is_identity();
  block.paths = FromProto(message.paths());
  if (message.has_residual_ratio()) {
    block.residual_ratio = message.residual_ratio();
  }
  if (message.has_fd_errors()) {
    block.fd_errors = PathErrors{.main = message.fd_errors().main(),
                                 .shortcut = message.fd_errors().shortcut()};
  }
  if (message.has_parameters()) {
    const v1::ParameterSplit& split = message.parameters();
    block.parameters = ParameterSplit{.by_main = split.by_main(),
                                      .by_shortcut = split.by_shortcut(),
                                      .whole = split.whole(),
                                      .error = split.error()};
  }
  return block;
}

PathDistribution PathsOf(const v1::PathDistribution& message) {
  PathDistribution paths;
  for (const v1::PathLength& length : message.lengths()) {
    paths.lengths.push_back({.main_paths = length.main_paths(),
                             .ways = length.ways(),
                             .gone = length.gone(),
                             .mean_norm = length.mean_norm(),
                             .mass_share = length.mass_share()});
  }
  paths.direct_share = message.direct_share();
  if (message.has_error()) {
    paths.error = message.error();
  }
  return paths;
}

}  // namespace

v1::ProbeOptions ToProto(const ProbeOptions& options) {
  v1::ProbeOptions message;
  message.set_batch_statistics(options.batch_statistics);
  message.set_fd_check(options.fd_check);
  message.set_split_parameters(options.split_parameters);
  message.set_path_passes(options.path_passes);
  message.set_path_seed(options.path_seed);
  return message;
}

ProbeReport FromProto(const v1::ProbeReport& message) {
  ProbeReport report;
  report.version = message.version();
  report.weights_sha256 = message.weights_sha256();
  report.examples = message.examples();
  report.loss = message.loss();
  const v1::ProbeOptions& options = message.options();
  report.options = {.batch_statistics = options.batch_statistics(),
                    .fd_check = options.fd_check(),
                    .split_parameters = options.split_parameters(),
                    .path_passes = options.path_passes(),
                    .path_seed = options.path_seed()};
  for (const v1::ProbedBlock& block : message.blocks()) {
    report.blocks.push_back(BlockOf(block));
  }
  if (message.has_depth_ratio()) {
    report.depth_ratio = message.depth_ratio();
  }
  if (message.has_paths()) {
    report.paths = PathsOf(message.paths());
  }
  report.took = FromProto(message.took());
  return report;
}

}  // namespace resnetd::client
