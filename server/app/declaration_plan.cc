#include "server/app/declaration_plan.h"

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "server/base/bytes.h"
#include "server/base/sha256.h"

namespace resnetd {
namespace {

constexpr std::size_t kDigestDigits = 64;

// One value; its length first, so that two lists of values never read alike.
void AppendText(std::string& all, absl::string_view text) {
  absl::StrAppend(&all, text.size(), ":", text, "\n");
}

// All bits of the number.
template <typename Bits, typename Number>
void AppendNumber(std::string& all, Number number) {
  absl::StrAppend(&all, absl::Hex(std::bit_cast<Bits>(number)), "\n");
}

void AppendPreprocess(std::string& all, const PreprocessSpec& spec) {
  absl::StrAppend(&all, spec.resize, " ", spec.crop, "\n");
  for (const std::array<float, 3>& channels : {spec.mean, spec.std}) {
    for (const float value : channels) {
      AppendNumber<std::uint32_t>(all, value);
    }
  }
}

}  // namespace

std::string NoteKeyOf(const DeclaredModel& model) {
  // Neither name has a slash.
  return absl::StrCat("declared/", model.name.text(), "/", model.alias);
}

std::string FormatNote(const DeclaredBefore& before) {
  return absl::StrCat(before.fingerprint, " ", before.version.value);
}

std::optional<DeclaredBefore> ParseNote(absl::string_view text) {
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  DeclaredBefore before;
  if (words.size() != 2 || words[0].size() != kDigestDigits ||
      !absl::SimpleAtoi(words[1], &before.version.value) ||
      before.version.value < 1) {
    return std::nullopt;
  }
  before.fingerprint = words[0];
  return before;
}

std::string FingerprintOf(const DeclaredModel& model,
                          absl::string_view weights_digest,
                          absl::string_view labels_digest) {
  std::string all = "resnetd-declaration/1\n";
  AppendText(all, weights_digest);
  AppendText(all, labels_digest);
  AppendText(all, model.architecture);
  AppendText(all, model.description);
  absl::StrAppend(&all, model.num_classes, "\n", model.evaluations.size(),
                  "\n");
  for (const Evaluation& evaluation : model.evaluations) {
    AppendText(all, evaluation.dataset);
    absl::StrAppend(&all, evaluation.examples, "\n");
    AppendNumber<std::uint64_t>(all, evaluation.accuracy);
  }
  if (model.preprocess) {
    AppendPreprocess(all, *model.preprocess);
  }
  // Only then: what was declared without one is what it was.
  if (model.temperature != 1) {
    AppendNumber<std::uint64_t>(all, model.temperature);
  }
  return Sha256Hex(AsBytes(all));
}

DeclarationPlan PlanDeclaration(const DeclarationState& state) {
  const bool changed =
      !state.before || state.before->fingerprint != state.fingerprint;
  if (changed) {
    return {.bring_version = true, .point_alias = true};
  }
  if (state.alias_there) {
    return {};
  }
  return {.bring_version = !state.version_there, .point_alias = true};
}

}  // namespace resnetd
