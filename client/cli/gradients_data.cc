#include "client/cli/gradients_data.h"

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace resnetd::cli {
namespace {

Json PathsJson(const client::PathNorms& paths) {
  Json out = {{"shortcut", paths.shortcut},
              {"main", paths.main},
              {"input", paths.input},
              {"sum", paths.sum},
              {"cosine", paths.cosine}};
  if (paths.main_share) {
    out["main_share"] = *paths.main_share;
  }
  return out;
}

Json NormsJson(const client::ParameterNorms& norms) {
  return {{"gradient", norms.gradient},
          {"weights", norms.weights},
          {"update", norms.update},
          {"zero_share", norms.zero_share}};
}

Json NoiseJson(const client::GradientNoise& noise) {
  return {{"signal", noise.signal}, {"noise", noise.noise}};
}

Json BlockJson(const client::BlockSample& block) {
  Json out = Json::object();
  if (block.paths) {
    out["paths"] = PathsJson(*block.paths);
  }
  if (block.parameters) {
    out["parameters"] = NormsJson(*block.parameters);
  }
  if (block.noise) {
    out["noise"] = NoiseJson(*block.noise);
  }
  if (block.residual_ratio) {
    out["residual_ratio"] = *block.residual_ratio;
  }
  if (block.last_scale) {
    out["last_scale"] = *block.last_scale;
  }
  return out;
}

constexpr char kHeading[] =
    "step,examples,block,shortcut_l2,main_l2,input_l2,sum_l2,cosine,main_share,"
    "weight_grad_l2,weights_l2,update_l2,zero_share,noise_signal,noise_noise,"
    "residual_ratio,last_scale\n";

std::string Cell(const std::optional<double>& number) {
  return number ? absl::StrFormat("%.17g", *number) : "";
}

void AddPaths(const std::optional<client::PathNorms>& paths,
              std::vector<std::string>& cells) {
  constexpr std::size_t kCells = 6;
  if (!paths) {
    cells.insert(cells.end(), kCells, "");
    return;
  }
  for (const double number : {paths->shortcut, paths->main, paths->input,
                              paths->sum, paths->cosine}) {
    cells.push_back(Cell(number));
  }
  cells.push_back(Cell(paths->main_share));
}

void AddNorms(const std::optional<client::ParameterNorms>& norms,
              std::vector<std::string>& cells) {
  constexpr std::size_t kCells = 4;
  if (!norms) {
    cells.insert(cells.end(), kCells, "");
    return;
  }
  for (const double number :
       {norms->gradient, norms->weights, norms->update, norms->zero_share}) {
    cells.push_back(Cell(number));
  }
}

// `block`: a label of the server, which has no comma.
std::string Line(const client::GradientSample& sample, const std::string& block,
                 const client::BlockSample& values) {
  std::vector<std::string> cells = {absl::StrCat(sample.step),
                                    absl::StrCat(sample.examples), block};
  AddPaths(values.paths, cells);
  AddNorms(values.parameters, cells);
  const auto& noise = values.noise;
  cells.push_back(noise ? Cell(noise->signal) : "");
  cells.push_back(noise ? Cell(noise->noise) : "");
  cells.push_back(Cell(values.residual_ratio));
  cells.push_back(Cell(values.last_scale));
  return absl::StrCat(absl::StrJoin(cells, ","), "\n");
}

}  // namespace

Json GradientSampleJson(const client::GradientSample& sample) {
  Json blocks = Json::array();
  for (const client::BlockSample& block : sample.blocks) {
    blocks.push_back(BlockJson(block));
  }
  Json out = {{"step", sample.step},
              {"examples", sample.examples},
              {"blocks", blocks},
              {"all", NormsJson(sample.all)}};
  if (sample.noise) {
    out["noise"] = NoiseJson(*sample.noise);
  }
  if (sample.depth_ratio) {
    out["depth_ratio"] = *sample.depth_ratio;
  }
  return out;
}

Json ActiveAlarmJson(const client::ActiveAlarm& alarm) {
  return {{"kind", client::AlarmKindName(alarm.kind)},
          {"step", alarm.step},
          {"text", alarm.text}};
}

Json AlarmRaisedJson(const client::AlarmRaised& raised) {
  Json out = {{"kind", client::AlarmKindName(raised.kind)},
              {"step", raised.step},
              {"action", client::AlarmActionName(raised.action)}};
  if (raised.value) {
    out["value"] = *raised.value;
  }
  if (raised.bound) {
    out["bound"] = *raised.bound;
  }
  out["block"] = raised.block;
  out["text"] = raised.text;
  return out;
}

Json GradientReportJson(const client::GradientReport& report) {
  Json samples = Json::array();
  for (const client::GradientSample& sample : report.samples) {
    samples.push_back(GradientSampleJson(sample));
  }
  Json block_noise = Json::array();
  for (const client::BlockNoise& noise : report.block_noise) {
    Json one = Json::object();
    if (noise.noise) {
      one["noise"] = NoiseJson(*noise.noise);
    }
    if (noise.snr_ratio) {
      one["snr_ratio"] = *noise.snr_ratio;
    }
    block_noise.push_back(one);
  }
  Json alarms = Json::array();
  for (const client::ActiveAlarm& alarm : report.alarms) {
    alarms.push_back(ActiveAlarmJson(alarm));
  }
  Json out = {{"blocks", report.blocks},
              {"samples", samples},
              {"samples_in_range", report.samples_in_range},
              {"oldest_step", report.oldest_step},
              {"has_expired", report.has_expired}};
  if (report.noise) {
    out["noise"] = NoiseJson(*report.noise);
  }
  out["block_noise"] = block_noise;
  if (report.noise_scale_examples) {
    out["noise_scale_examples"] = *report.noise_scale_examples;
  }
  out["alarms"] = alarms;
  return out;
}

std::string GradientsCsv(const client::GradientReport& report) {
  std::string out = kHeading;
  for (const client::GradientSample& sample : report.samples) {
    client::BlockSample all;
    all.parameters = sample.all;
    all.noise = sample.noise;
    out += Line(sample, "all", all);
    for (std::size_t i = 0; i < report.blocks.size(); ++i) {
      out += Line(sample, report.blocks[i], sample.blocks[i]);
    }
  }
  return out;
}

}  // namespace resnetd::cli
