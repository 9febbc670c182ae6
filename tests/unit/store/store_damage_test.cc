// Flipped bits: each is either refused at the opening, found by Verify(), or
// changes no answer.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "tests/support/seeded_random.h"
#include "tests/unit/store/dataset_fixture.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

int Flips(int some, int many) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs.
  return std::getenv("RESNETD_TEST_LONG") != nullptr ? many : some;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A reading: its text, or its error.
void Append(std::string& text, const absl::Status& error) {
  absl::StrAppend(&text, DetailsOf(error).reason, ";");
}

// What it answers of datasets; false: an answer says "damaged".
bool AppendDatasets(Store& store, std::string& text) {
  const DatasetName name = Dataset("animals");
  const auto row = store.datasets().GetDataset(name);
  const auto examples = store.datasets().ListExamples(name, 0, 100);
  const auto rejected = store.datasets().ListRejected(name, 0, 100);
  const auto index = store.datasets().UploadIndex(name, "u");
  const auto all = store.datasets().ListDatasets();
  if (!row.ok() || !examples.ok() || !rejected.ok() || !index.ok() ||
      !all.ok()) {
    return false;
  }
  absl::StrAppend(&text, EtagOf(*row), row->digest, row->bytes, *index,
                  row->labels[1], all->size(), ";");
  for (const ExampleRow& example : *examples) {
    absl::StrAppend(&text, example.sequence, example.image, example.pack,
                    example.offset, example.label, example.mean[0],
                    example.mean_square[2], ";");
    const auto found = store.datasets().FindExample(name, example.image);
    if (!found.ok() || !*found) {
      return false;
    }
  }
  for (const RejectedRow& one : *rejected) {
    absl::StrAppend(&text, one.sequence, one.name, one.code, ";");
  }
  return true;
}

// The same of jobs.
bool AppendJobs(Store& store, std::string& text) {
  const auto jobs = store.jobs().ListJobs();
  const auto open = store.jobs().ListOpenJobs();
  const auto events = store.jobs().ListJobEvents({1}, 0, 100);
  const auto checkpoints = store.jobs().ListCheckpoints({1});
  if (!jobs.ok() || !open.ok() || !events.ok() || !checkpoints.ok()) {
    return false;
  }
  for (const JobRow& row : *jobs) {
    absl::StrAppend(&text, row.number.value, EtagOf(row), row.state, row.spec,
                    row.status, row.dataset.text(), ";");
  }
  for (const JobEventRow& event : *events) {
    absl::StrAppend(&text, event.sequence, event.kind, event.payload, ";");
  }
  for (const CheckpointRow& row : *checkpoints) {
    absl::StrAppend(&text, row.step, row.manifest, row.blobs[0], ";");
  }
  absl::StrAppend(&text, open->size());
  return true;
}

// Everything that a store answers, as text; "" when an answer says "damaged".
std::string AnswersOf(Store& store) {
  std::string text;
  const auto models = store.ListModels();
  if (!models.ok()) {
    return "";
  }
  for (const std::string name : {"a", "b"}) {
    const ModelName model = Model(name);
    const auto versions = store.ListVersions(model);
    const auto aliases = store.ListAliases(model);
    if (!versions.ok() || !aliases.ok()) {
      return "";
    }
    for (const VersionRow& row : *versions) {
      absl::StrAppend(&text, row.model.text(), row.version.value, row.weights,
                      row.weights_bytes, row.manifest, row.content_key,
                      row.source, row.created.time_since_epoch().count(), ";");
    }
    for (const AliasRow& row : *aliases) {
      absl::StrAppend(&text, row.alias, row.version.value, EtagOf(row),
                      row.previous ? row.previous->value : 0, ";");
    }
    for (std::int64_t number = 0; number < 4; ++number) {
      const auto row = store.GetVersion(model, VersionNumber{number});
      absl::StrAppend(&text, row.ok() ? EtagOf(*row) : "no", ";");
      if (!row.ok()) {
        Append(text, row.status());
      }
    }
    const auto alias = store.GetAlias(model, "stable");
    absl::StrAppend(&text, alias.ok() ? EtagOf(*alias) : "no", ";");
  }
  const auto events = store.ListEvents(0, 100);
  const auto audit = store.ListAudit(0, 100);
  const auto note = store.GetNote("note");
  const auto remembered = store.Remembered(
      {.method = "SetAlias", .request_id = "k", .request_hash = "h"});
  if (!events.ok() || !audit.ok() || !note.ok() || !remembered.ok()) {
    return "";
  }
  for (const EventRow& event : *events) {
    absl::StrAppend(&text, event.sequence, event.alias, event.weights,
                    static_cast<int>(event.kind), event.generation, ";");
  }
  absl::StrAppend(&text, audit->empty() ? "" : audit->back().hash, *note,
                  remembered->value_or("none"));
  return AppendDatasets(store, text) && AppendJobs(store, text) ? text : "";
}

// A dataset with examples, and jobs over it.
void AddTraining(Store& store) {
  CreateAnimals(store);
  ExampleBatch batch = BatchOf(store, Dataset("animals"), "u", 0, 0, 20);
  batch.rejected = {{.name = "cats/7.jpg", .code = "TRUNCATED"}};
  Must(store.datasets().AppendExamples(batch));
  Must(store.datasets().SealDataset(Dataset("animals"), "", {}));
  CreateAnimals(store, "others");
  for (int i = 0; i < 3; ++i) {
    CreateJobOver(store, "animals", {{.kind = 1, .payload = "{}"}});
  }
  const CheckpointRow checkpoint{
      .step = 5, .manifest = "{}", .blobs = {PutBlob(store, "weights")}};
  Must(store.jobs().ChangeJob({.job = {1}, .checkpoint = checkpoint},
                              std::nullopt));
  EndJob(store, {2});
}

TEST(StoreDamageTest, AFlippedBitInTheDatabaseIsNoticedOrChangesNoAnswer) {
  ConfigureLog({.level = LogLevel::kError});
  OpenedStore store;
  for (int i = 1; i <= 3; ++i) {
    PublishNumber(*store, "a", i);
  }
  PublishNumber(*store, "b", 1);
  Must(store->MoveAlias(
      MoveTo("a", 2),
      {.method = "SetAlias", .request_id = "k", .request_hash = "h"}));
  Must(store->DeleteVersion(Model("a"), VersionNumber{3}, "", {}));
  Must(store->SetNote("note", "text"));
  AddTraining(*store);
  Must(store->Collect());
  const std::string wanted = AnswersOf(*store);
  ASSERT_FALSE(wanted.empty());
  store.Close();
  const std::string sound = ReadAll(store.database());
  ASSERT_FALSE(std::filesystem::exists(store.database() + "-wal"));

  // Most of a page is empty: every other flip is in a byte that is not.
  std::vector<std::size_t> written;
  for (std::size_t i = 0; i < sound.size(); ++i) {
    if (sound[i] != 0) {
      written.push_back(i);
    }
  }
  SeededRandom random(1);
  int refused = 0;
  int found = 0;
  int harmless = 0;
  const int flips = Flips(400, 10'000);
  for (int i = 0; i < flips; ++i) {
    const std::size_t byte = i % 2 == 0 ? random.Below(sound.size())
                                        : written[random.Below(written.size())];
    const std::size_t bit = byte * 8 + random.Below(8);
    std::string damaged = sound;
    damaged[bit / 8] = static_cast<char>(
        static_cast<unsigned char>(damaged[bit / 8]) ^ (1U << (bit % 8)));
    WriteAll(store.database(), damaged);
    for (const std::string tail : {"-wal", "-shm"}) {
      std::filesystem::remove(store.database() + tail);
    }
    if (!store.TryOpen().ok()) {
      ++refused;
      continue;
    }
    const auto findings = store->Verify();
    if (!findings.ok() || !findings->empty()) {
      ++found;
      // Found, and served nothing wrong before.
      const std::string answers = AnswersOf(*store);
      EXPECT_TRUE(answers.empty() || answers == wanted) << "bit " << bit;
    } else {
      ++harmless;
      EXPECT_EQ(AnswersOf(*store), wanted) << "bit " << bit;
    }
    store.Close();
  }
  EXPECT_GT(refused, flips / 10);
  RecordProperty("refused", refused);
  RecordProperty("found", found);
  RecordProperty("harmless", harmless);
  std::cout << flips << " flips: " << refused << " refused at the opening, "
            << found << " found by Verify, " << harmless
            << " in bytes that mean nothing\n";
}

TEST(StoreDamageTest, AFlippedBitInABlobIsAlwaysNoticed) {
  OpenedStore store;
  const VersionRow row = PublishNumber(*store, "a", 1).version;
  SeededRandom random(2);
  for (int i = 0; i < Flips(200, 10'000); ++i) {
    const Digest& digest =
        i % 3 == 0 ? row.weights : (i % 3 == 1 ? row.manifest : row.golden);
    const std::string file = store.BlobFile(digest);
    std::string bytes = ReadAll(file);
    ASSERT_FALSE(bytes.empty());
    const std::size_t bit = random.Below(bytes.size() * 8);
    bytes[bit / 8] = static_cast<char>(
        static_cast<unsigned char>(bytes[bit / 8]) ^ (1U << (bit % 8)));
    std::filesystem::remove(file);
    WriteAll(file, bytes);
    if (i % 2 == 0) {
      EXPECT_EQ(DetailsOf(store->ReadBlob(digest, 1000).status()).reason,
                "STORE_CORRUPT");
    } else {
      EXPECT_EQ(Must(store->Verify()).size(), 2);
    }
    EXPECT_FALSE(PublishNumber(*store, "a", 1).created);  // Heals it.
  }
  EXPECT_TRUE(Must(store->Verify()).empty());
}

}  // namespace
}  // namespace resnetd
