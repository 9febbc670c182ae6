#include "client/cli/model_tree.h"

#include <string>
#include <vector>

#include "absl/strings/strip.h"
#include "client/cli/import_tree.h"
#include "client/cli/model_help.h"
#include "client/cli/option_check.h"
#include "client/cli/option_values.h"
#include "server/base/ids.h"

namespace resnetd::cli {
namespace {

using ParseRef = std::string (*)(const std::string& text, ModelRef& ref);

void Selects(CLI::App& app, Arguments& arguments, Command command) {
  app.final_callback([&arguments, command] { arguments.command = command; });
}

// The model, version or alias that a command is about.
void AddRef(CLI::App& app, Arguments& arguments, ParseRef parse,
            const std::string& type_name, const std::string& description) {
  ModelRef& ref = arguments.models.ref;
  app.add_option("ref", description)
      ->type_name(type_name)
      ->required()
      ->check(Check(
          [&ref, parse](const std::string& text) { return parse(text, ref); }));
}

// Any number of them.
void AddRefs(CLI::App& app, Arguments& arguments, ParseRef parse,
             const std::string& description) {
  std::vector<ModelRef>& refs = arguments.models.refs;
  app.add_option_function<std::vector<std::string>>(
         "refs",
         [&refs](const std::vector<std::string>& texts) {
           refs.resize(texts.size());
           for (std::size_t i = 0; i < texts.size(); ++i) {
             ParseModelRef(texts[i], refs[i]);
           }
         },
         description)
      ->type_name("MODEL...")
      ->check(Check([parse](const std::string& text) {
        ModelRef unused;
        return parse(text, unused);
      }));
}

void AddVersionRef(CLI::App& app, Arguments& arguments) {
  AddRef(app, arguments, ParseVersionRef, "MODEL@N",
         "NAME@N, NAME@ALIAS or models/NAME/versions/N");
}

void AddAlias(CLI::App& app, ModelsOptions& options) {
  app.add_option("--alias", options.alias, "The alias to move [stable]")
      ->type_name("ALIAS")
      ->check(Check(ParseAliasName));
}

void AddExpect(CLI::App& app, ModelsOptions& options) {
  app.add_option("--expect",
                 "Only if the alias names this version now; 0: only if there "
                 "is no such alias yet")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        return ParseNumber(text, 0, options.expected_version.emplace());
      }));
}

// Behind AddDryRun().
void AddWait(CLI::App& app, ModelsOptions& options) {
  CLI::Option* wait =
      app.add_flag("--wait", options.wait,
                   "Until every replica answers with it, at most --timeout");
  wait->excludes("--dry-run");
  app.add_option("--replicas", options.replicas,
                 "With --wait: which servers, with commas between; a name "
                 "stands for one at each of its addresses "
                 "[RESNETD_REPLICAS, else those of --server]")
      ->type_name("HOST:PORT")
      ->envname("RESNETD_REPLICAS");
}

void AddExport(CLI::App& models, Arguments& arguments) {
  ExportOptions& options = arguments.models.export_to;
  CLI::App* app = models.add_subcommand(
      "export", "Download the weights of a version as .safetensors");
  AddRef(*app, arguments, ParseModelRef, "MODEL",
         "NAME (its stable version), NAME@N, NAME@ALIAS or "
         "models/NAME/versions/N");
  app->add_option("file", options.file,
                  "Where to write them [NAME-N.safetensors]")
      ->type_name("FILE");
  app->add_option("--labels", options.labels_file,
                  "Write the labels to this file, one a line")
      ->type_name("FILE");
  app->add_flag("--force", options.force, "Replace files that are there");
  app->footer(kModelsExportFooter);
  Selects(*app, arguments, Command::kModelsExport);
}

void AddViews(CLI::App& models, Arguments& arguments) {
  CLI::App* list = models.add_subcommand("list", "List the models");
  list->footer(kModelsListFooter);
  Selects(*list, arguments, Command::kModelsList);

  CLI::App* show = models.add_subcommand(
      "show", "Show a model and the version that answers, or one version");
  AddRef(*show, arguments, ParseModelRef, "MODEL",
         "NAME, NAME@N, NAME@ALIAS or models/NAME/versions/N");
  show->footer(kModelsShowFooter);
  Selects(*show, arguments, Command::kModelsShow);

  CLI::App* versions =
      models.add_subcommand("versions", "List the versions of a model");
  AddRef(*versions, arguments, ParseModelOnly, "NAME", "NAME or models/NAME");
  versions->footer(kModelsVersionsFooter);
  Selects(*versions, arguments, Command::kModelsVersions);
}

void AddMoves(CLI::App& models, Arguments& arguments) {
  ModelsOptions& options = arguments.models;
  CLI::App* promote = models.add_subcommand(
      "promote", "Let a version answer: move an alias to it");
  AddVersionRef(*promote, arguments);
  AddAlias(*promote, options);
  AddExpect(*promote, options);
  AddLabelChange(*promote, options);
  promote
      ->add_option("--override-gate", options.gate_override,
                   "Promote although the gate said no; why, for the audit")
      ->type_name("REASON")
      ->check(Check(ParseReason));
  AddDryRun(*promote, options);
  AddWait(*promote, options);
  AddRequestId(*promote, options);
  promote->footer(kModelsPromoteFooter);
  Selects(*promote, arguments, Command::kModelsPromote);

  CLI::App* rollback = models.add_subcommand(
      "rollback", "Move an alias back to the version it named before");
  AddRef(*rollback, arguments, ParseModelOnly, "NAME", "NAME or models/NAME");
  AddAlias(*rollback, options);
  AddDryRun(*rollback, options);
  AddWait(*rollback, options);
  AddRequestId(*rollback, options);
  rollback->footer(kModelsRollbackFooter);
  Selects(*rollback, arguments, Command::kModelsRollback);

  CLI::App* alias =
      models.add_subcommand("alias", "Set and delete aliases of versions");
  alias->footer(kModelsAliasFooter);
  CLI::App* set = alias->add_subcommand(
      "set", "Move an alias to a version, or make it, whatever the labels");
  AddVersionRef(*set, arguments);
  set->add_option("alias", options.alias, "The alias, e.g. canary")
      ->type_name("ALIAS")
      ->required()
      ->check(Check(ParseAliasName));
  AddExpect(*set, options);
  AddDryRun(*set, options);
  AddWait(*set, options);
  AddRequestId(*set, options);
  set->footer(kModelsAliasSetFooter);
  Selects(*set, arguments, Command::kModelsAliasSet);
  CLI::App* remove = alias->add_subcommand("delete", "Remove an alias");
  AddRef(*remove, arguments, ParseAliasRef, "MODEL@ALIAS",
         "NAME@ALIAS or models/NAME/aliases/ALIAS");
  AddRequestId(*remove, options);
  remove->footer(kModelsAliasDeleteFooter);
  Selects(*remove, arguments, Command::kModelsAliasDelete);
}

void AddMeasure(CLI::App& app, MeasureOptions& options) {
  app.add_option("--data", options.data,
                 "Pictures of this machine: a folder with one folder for each "
                 "class, a .tar or a .csv")
      ->type_name("PATH");
  app.add_option("--dataset", "A sealed dataset of the server")
      ->type_name("NAME")
      ->check(Check([&options](const std::string& text) -> std::string {
        absl::string_view name = text;
        absl::ConsumePrefix(&name, "datasets/");
        if (!DatasetName::Parse(name).ok()) {
          return "is no name of a dataset: `resnetctl data list` shows them";
        }
        options.dataset = std::string(name);
        return "";
      }));
  app.add_option("--split",
                 "Which part of it: train, val, test or all [val of a dataset, "
                 "all of one's own pictures]")
      ->type_name("PART")
      ->check(Check([&options](const std::string& text) -> std::string {
        return ParsePart(text, options.part.emplace())
                   ? ""
                   : "is none of train, val, test and all";
      }));
}

void AddMeasurements(CLI::App& models, Arguments& arguments) {
  ModelsOptions& options = arguments.models;
  const std::string what =
      "NAME (its stable version), NAME@N, NAME@ALIAS or models/NAME/versions/N";
  CLI::App* evaluate = models.add_subcommand(
      "evaluate",
      "Measure a version on pictures: accuracy, classes, confusion");
  AddRef(*evaluate, arguments, ParseModelRef, "MODEL", what);
  AddMeasure(*evaluate, options.measure);
  evaluate->footer(kModelsEvaluateFooter);
  Selects(*evaluate, arguments, Command::kModelsEvaluate);

  CLI::App* compare = models.add_subcommand(
      "compare", "Measure two versions on the same pictures");
  AddRef(*compare, arguments, ParseModelRef, "MODEL", what);
  ModelRef& other = options.other;
  compare->add_option("other", "The one in question, named like the first")
      ->type_name("MODEL")
      ->required()
      ->check(Check([&other](const std::string& text) {
        return ParseModelRef(text, other);
      }));
  AddMeasure(*compare, options.measure);
  compare->footer(kModelsCompareFooter);
  Selects(*compare, arguments, Command::kModelsCompare);

  CLI::App* calibrate = models.add_subcommand(
      "calibrate", "Make a version whose probabilities fit pictures better");
  AddRef(*calibrate, arguments, ParseModelRef, "MODEL", what);
  AddMeasure(*calibrate, options.measure);
  AddDryRun(*calibrate, options);
  AddRequestId(*calibrate, options);
  calibrate->footer(kModelsCalibrateFooter);
  Selects(*calibrate, arguments, Command::kModelsCalibrate);

  CLI::App* quantize = models.add_subcommand(
      "quantize", "Calibrate int8 with pictures and measure every precision");
  AddRef(*quantize, arguments, ParseModelRef, "MODEL", what);
  AddMeasure(*quantize, options.measure);
  AddDryRun(*quantize, options);
  quantize->footer(kModelsQuantizeFooter);
  Selects(*quantize, arguments, Command::kModelsQuantize);
}

void AddResidency(CLI::App& models, Arguments& arguments) {
  CLI::App* load =
      models.add_subcommand("load", "Load a version beside those that answer");
  AddVersionRef(*load, arguments);
  load->footer(kModelsLoadFooter);
  Selects(*load, arguments, Command::kModelsLoad);

  CLI::App* unload =
      models.add_subcommand("unload", "Free the memory of a version");
  AddVersionRef(*unload, arguments);
  unload->footer(kModelsUnloadFooter);
  Selects(*unload, arguments, Command::kModelsUnload);

  CLI::App* warm_up = models.add_subcommand(
      "warmup", "Run every batch size of a version and check its answers");
  AddVersionRef(*warm_up, arguments);
  warm_up->footer(kModelsWarmUpFooter);
  Selects(*warm_up, arguments, Command::kModelsWarmUp);
}

void AddDelete(CLI::App& models, Arguments& arguments) {
  ModelsOptions& options = arguments.models;
  CLI::App* app = models.add_subcommand("delete", "Delete a version");
  AddVersionRef(*app, arguments);
  app->add_flag("-y,--yes", options.yes, "Do not ask");
  AddDryRun(*app, options);
  AddRequestId(*app, options);
  app->footer(kModelsDeleteFooter);
  Selects(*app, arguments, Command::kModelsDelete);
}

void AddStore(CLI::App& models, Arguments& arguments) {
  CLI::App* verify = models.add_subcommand(
      "verify", "Read back what the server stores and check every digest");
  AddRefs(*verify, arguments, ParseModelRef,
          "NAME, NAME@N or models/NAME/versions/N [every model]");
  verify->footer(kModelsVerifyFooter);
  Selects(*verify, arguments, Command::kModelsVerify);

  CLI::App* watch = models.add_subcommand(
      "watch", "Follow what is imported, deleted, promoted and rolled back");
  AddRefs(*watch, arguments, ParseModelOnly, "NAME or models/NAME [all]");
  watch
      ->add_option("--after",
                   "Begin behind this event; 0: with the oldest that is kept "
                   "[what happens from now on]")
      ->type_name("N")
      ->check(Check([&arguments](const std::string& text) {
        return ParseNumber(text, 0, arguments.models.after_sequence.emplace());
      }));
  watch->footer(kModelsWatchFooter);
  Selects(*watch, arguments, Command::kModelsWatch);
}

}  // namespace

void AddModelCommands(CLI::App& root, Arguments& arguments) {
  CLI::App* models = root.add_subcommand(
      "models", "Show, import, promote and check the server's models");
  models->footer(kModelsFooter);
  AddViews(*models, arguments);
  AddImportCommand(*models, arguments);
  AddExport(*models, arguments);
  AddMoves(*models, arguments);
  AddMeasurements(*models, arguments);
  AddDelete(*models, arguments);
  AddResidency(*models, arguments);
  AddStore(*models, arguments);
}

}  // namespace resnetd::cli
