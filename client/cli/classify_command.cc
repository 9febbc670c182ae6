#include <chrono>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/classify_run.h"
#include "client/cli/classify_stream_command.h"
#include "client/cli/classify_text.h"
#include "client/cli/commands.h"
#include "client/cli/progress.h"
#include "client/error_info.h"

namespace resnetd::cli {
namespace {

client::ClassifyRequest RequestOf(const ClassifyOptions& options) {
  client::ClassifyRequest request;
  request.model = options.model;
  request.top_k = options.top_k;
  request.min_probability = options.min_probability;
  request.request_id = options.request_id;
  request.logits = options.logits;
  request.timing = true;
  request.fail_fast = options.fail_fast;
  // Many pictures are work that can wait: others go first, and the server
  // takes more of it than anybody would want to wait for.
  request.priority = options.images.size() > 1 || !options.files_from.empty()
                         ? client::Priority::kBatch
                         : client::Priority::kNormal;
  return request;
}

void Announce(const Session& session, const ClassifyOptions& options) {
  Json request = {{"options", {{"timing", true}}}};
  if (options.top_k > 0) {
    request["top_k"] = options.top_k;
  }
  if (!options.model.empty()) {
    request["model"] = options.model;
  }
  AnnouncePictures(session, "resnetd.v1.ClassificationService/Classify",
                   options.images.front(), options.images.size(), request);
}

// In requests of several pictures, printed in their order.
ExitCode ClassifyInRequests(const Session& session, Client& client) {
  const ClassifyOptions& options = session.arguments.classify;
  const Console& console = session.console;
  const auto start = std::chrono::steady_clock::now();
  ClassifyRun run({.request = RequestOf(options)},
                  [&client](client::ClassifyRequest request) {
                    return client.Classify(std::move(request));
                  });
  run.Inspect(options.images, session.input);
  Announce(session, options);
  Progress progress(console, "classified", run.images(),
                    run.images() > 1 && !session.arguments.global.quiet);
  progress.Show(0);
  Json images = Json::array();
  std::size_t done = 0;
  const ClassifySummary summary = run.Run([&](const ImageOutcome& outcome) {
    progress.Clear();
    if (session.json()) {
      images.push_back(PredictedJson(outcome, options.logits));
    } else if (!outcome.bystander) {
      PrintPicture(console, outcome);
    }
    progress.Show(++done);
  });
  progress.Clear();
  if (session.json()) {
    Json document = {{"images", std::move(images)}};
    document.update(
        PictureSummaryJson(summary, std::chrono::steady_clock::now() - start));
    console.out << JsonText(document);
  }
  PrintPictureSummary(session, summary, run.images());
  return CodeOf(summary);
}

}  // namespace

ExitCode RunClassify(const Session& session) {
  const ClassifyOptions& options = session.arguments.classify;
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  std::vector<std::string> names = options.images;
  names.push_back(options.files_from);
  if (const absl::Status status = CheckNames(names); !status.ok()) {
    Fail(session, status);
    return ExitCode::kUsage;
  }
  return options.stream
             ? ClassifyOverStream(session, *client, RequestOf(options))
             : ClassifyInRequests(session, *client);
}

}  // namespace resnetd::cli
