// A few thousand random operations against an oracle of maps in memory, the
// store closed and opened again in between.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/seeded_random.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

// What a store should hold, written with nothing of its code.
struct Oracle {
  struct Version {
    int content = 0;
    bool committed = true;
  };
  struct Alias {
    bool live = true;
    std::int64_t version = 0;
    std::int64_t previous = 0;
    std::int64_t generation = 0;
  };
  struct Model {
    std::vector<Version> versions;  // Number 1 is the first.
    std::map<std::string, Alias> aliases;
  };
  std::map<std::string, Model> models;
  std::int64_t events = 0;
  std::int64_t audited = 0;

  static std::int64_t CommittedWith(const Model& model, int content) {
    for (std::size_t i = 0; i < model.versions.size(); ++i) {
      if (model.versions[i].committed && model.versions[i].content == content) {
        return static_cast<std::int64_t>(i) + 1;
      }
    }
    return 0;
  }
  static bool IsCommitted(const Model& model, std::int64_t version) {
    return version >= 1 &&
           version <= static_cast<std::int64_t>(model.versions.size()) &&
           model.versions[static_cast<std::size_t>(version - 1)].committed;
  }

  // The answer as text, for all of these.
  std::string Publish(const std::string& name, int content) {
    Model& model = models[name];
    if (const std::int64_t same = CommittedWith(model, content); same != 0) {
      return absl::StrCat("v", same, " there");
    }
    bool any = false;
    for (const Version& version : model.versions) {
      any |= version.committed;
    }
    model.versions.push_back({.content = content});
    const auto number = static_cast<std::int64_t>(model.versions.size());
    ++events;
    ++audited;
    if (!any) {
      Alias& alias = model.aliases["stable"];
      alias = {.version = number, .generation = alias.generation + 1};
      ++events;
    }
    return absl::StrCat("v", number, " new");
  }
  std::string Move(const std::string& name, const std::string& alias_name,
                   std::int64_t to, std::optional<std::int64_t> expected) {
    if (models.count(name) == 0 || models[name].versions.empty()) {
      return "MODEL_NOT_FOUND";
    }
    Model& model = models[name];
    if (!IsCommitted(model, to)) {
      return "VERSION_NOT_FOUND";
    }
    const auto found = model.aliases.find(alias_name);
    const bool live = found != model.aliases.end() && found->second.live;
    const std::int64_t current = live ? found->second.version : 0;
    if (expected && *expected != current) {
      return "ALIAS_MOVED";
    }
    Alias& alias = model.aliases[alias_name];
    if (current != to) {
      alias = {.version = to,
               .previous = current,
               .generation = alias.generation + 1};
      ++events;
      ++audited;
    }
    return Text(alias);
  }
  std::string DeleteVersion(const std::string& name, std::int64_t version) {
    if (models.count(name) == 0 || models[name].versions.empty()) {
      return "MODEL_NOT_FOUND";
    }
    Model& model = models[name];
    if (!IsCommitted(model, version)) {
      return "VERSION_NOT_FOUND";
    }
    for (const auto& [alias_name, alias] : model.aliases) {
      if (alias.live && alias.version == version) {
        return "VERSION_IN_USE";
      }
    }
    model.versions[static_cast<std::size_t>(version - 1)].committed = false;
    for (auto& [alias_name, alias] : model.aliases) {
      if (alias.live && alias.previous == version) {
        alias.previous = 0;
      }
    }
    ++events;
    ++audited;
    return "deleted";
  }
  std::string DeleteAlias(const std::string& name, const std::string& alias) {
    if (models.count(name) == 0 || models[name].versions.empty()) {
      return "MODEL_NOT_FOUND";
    }
    const auto found = models[name].aliases.find(alias);
    if (found == models[name].aliases.end() || !found->second.live) {
      return "ALIAS_NOT_FOUND";
    }
    found->second.live = false;
    ++events;
    ++audited;
    return "deleted";
  }
  static std::string Text(const Alias& alias) {
    return absl::StrCat("v", alias.version, " p", alias.previous, " g",
                        alias.generation);
  }
  // Everything that can be read, as text.
  std::string All() const {
    std::string text = absl::StrCat(events, " ", audited, "\n");
    for (const auto& [name, model] : models) {
      std::string versions;
      for (std::size_t i = model.versions.size(); i > 0; --i) {
        if (model.versions[i - 1].committed) {
          absl::StrAppend(&versions, " ", i, "=key of ", name, " ",
                          model.versions[i - 1].content);
        }
      }
      if (versions.empty()) {
        continue;
      }
      absl::StrAppend(&text, name, versions);
      for (const auto& [alias_name, alias] : model.aliases) {
        if (alias.live) {
          absl::StrAppend(&text, " ", alias_name, " ", Text(alias));
        }
      }
      absl::StrAppend(&text, "\n");
    }
    return text;
  }
};

std::string TextOf(const AliasRow& row) {
  return absl::StrCat("v", row.version.value, " p",
                      row.previous ? row.previous->value : 0, " g",
                      row.generation);
}

std::string AllOf(Store& store) {
  std::string text =
      absl::StrCat(Must(store.LastEvent()), " ",
                   Must(store.ListAudit(0, 1'000'000)).size(), "\n");
  for (const ModelName& model : Must(store.ListModels())) {
    absl::StrAppend(&text, model.text());
    for (const VersionRow& row : Must(store.ListVersions(model))) {
      absl::StrAppend(&text, " ", row.version.value, "=", row.content_key);
    }
    for (const AliasRow& row : Must(store.ListAliases(model))) {
      absl::StrAppend(&text, " ", row.alias, " ", TextOf(row));
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

// One operation on both; the answers.
std::pair<std::string, std::string> Step(Store& store, Oracle& oracle,
                                         SeededRandom& random) {
  const std::string model = absl::StrCat("m", random.Below(3));
  const std::string alias = random.OneIn(2) ? "stable" : "canary";
  const auto version = static_cast<std::int64_t>(random.Below(12)) + 1;
  switch (random.Below(8)) {
    case 0:
    case 1: {
      const int content = static_cast<int>(random.Below(6));
      const Published answer = PublishNumber(store, model, content);
      return {absl::StrCat("v", answer.version.version.value,
                           answer.created ? " new" : " there"),
              oracle.Publish(model, content)};
    }
    case 2:
    case 3:
    case 4: {
      AliasMove move = MoveTo(model, version, alias);
      if (random.OneIn(3)) {
        move.expected_version = static_cast<std::int64_t>(random.Below(5));
      }
      const auto answer = store.MoveAlias(move, {.method = "SetAlias"});
      return {answer.ok() ? TextOf(*answer) : DetailsOf(answer.status()).reason,
              oracle.Move(model, alias, version, move.expected_version)};
    }
    case 5:
    case 6: {
      const auto answer =
          store.DeleteVersion(Model(model), VersionNumber{version}, "", {});
      return {answer.ok() ? "deleted" : DetailsOf(answer.status()).reason,
              oracle.DeleteVersion(model, version)};
    }
    default: {
      const absl::Status answer =
          store.DeleteAlias(Model(model), alias, "", {});
      return {answer.ok() ? "deleted" : DetailsOf(answer).reason,
              oracle.DeleteAlias(model, alias)};
    }
  }
}

void RunAgainstOracle(std::uint64_t seed, int steps) {
  SeededRandom random(seed);
  OpenedStore store({.collect_grace = std::chrono::minutes(10)});
  Oracle oracle;
  for (int i = 0; i < steps; ++i) {
    const auto [answer, wanted] = Step(*store, oracle, random);
    ASSERT_EQ(answer, wanted) << "seed " << seed << ", step " << i;
    if (random.OneIn(20)) {
      store.clock().Advance(std::chrono::minutes(random.Below(30)));
      Must(store->Collect());
    }
    if (random.OneIn(40)) {
      store.Open();
    }
    if (random.OneIn(10)) {
      ASSERT_EQ(AllOf(*store), oracle.All()) << "seed " << seed << ", " << i;
    }
  }
  ASSERT_EQ(AllOf(*store), oracle.All());
  for (const Finding& finding : Must(store->Verify())) {
    ADD_FAILURE() << finding.text;
  }
}

TEST(StoreRandomTest, AnswersLikeAnOracleOverOpeningsAndCollections) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs.
  const bool is_long = std::getenv("RESNETD_TEST_LONG") != nullptr;
  for (std::uint64_t seed = 1; seed <= (is_long ? 50U : 4U); ++seed) {
    RunAgainstOracle(seed, is_long ? 2000 : 600);
  }
}

}  // namespace
}  // namespace resnetd
