// How fast a store takes in examples, and what a large dataset costs later.
//
//   store_bench FOLDER [EXAMPLES] [BATCH]
//
// FOLDER must not exist and is left behind. Every batch is one commit with a
// sync of the disk; pictures are 8 bytes each, so that only the database is
// measured, but every batch has a pack of its own.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/sha256.h"
#include "server/store/store.h"

namespace resnetd {
namespace {

constexpr std::int64_t kPictureBytes = 8;

template <typename Value>
Value Must(absl::StatusOr<Value> value) {
  if (!value.ok()) {
    std::cerr << value.status() << "\n";
    std::exit(1);
  }
  return *std::move(value);
}

void Must(const absl::Status& status) {
  if (!status.ok()) {
    std::cerr << status << "\n";
    std::exit(1);
  }
}

absl::Span<const std::uint8_t> BytesOf(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::uint8_t*>(text.data()),
                             text.size());
}

// Runs `work` and prints its time, for each of `count` things.
template <typename Work>
void Time(const std::string& what, std::int64_t count, Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count();
  std::cout << what << ": " << seconds << " s";
  if (count > 0) {
    std::cout << ", " << static_cast<double>(count) / seconds << " a second";
  }
  std::cout << std::endl;
}

ExampleBatch BatchOf(Store& store, const DatasetName& name, std::int64_t first,
                     std::int64_t count) {
  ExampleBatch batch{.dataset = name,
                     .upload = "bench",
                     .next_index = first + count,
                     .expected_index = first};
  std::string bytes;
  for (std::int64_t i = first; i < first + count; ++i) {
    std::string picture = absl::StrCat(i);
    picture.insert(0, kPictureBytes - picture.size(), '0');
    batch.examples.push_back({.image = Sha256Hex(BytesOf(picture)),
                              .offset = static_cast<std::int64_t>(bytes.size()),
                              .bytes = kPictureBytes,
                              .label = static_cast<int>(i % 10),
                              .width = 32,
                              .height = 32,
                              .mean = {0.1, 0.2, 0.3},
                              .mean_square = {0.01, 0.02, 0.03}});
    bytes += picture;
  }
  const auto writer = Must(store.NewBlob(kPictureBytes * count));
  Must(writer->Write(BytesOf(bytes)));
  const Digest pack = Must(writer->Commit());
  for (ExampleRow& row : batch.examples) {
    row.pack = pack;
  }
  return batch;
}

std::int64_t List(Store& store, const DatasetName& name) {
  std::int64_t last = 0;
  while (true) {
    const auto rows = Must(store.datasets().ListExamples(name, last, 1000));
    if (rows.empty()) {
      return last;
    }
    last = rows.back().sequence;
  }
}

int Main(const std::string& folder, std::int64_t examples,
         std::int64_t batch_size) {
  const StoreOptions options{.folder = folder};
  std::unique_ptr<Store> store = Must(Store::Open(options, RealClock()));
  const DatasetName name = Must(DatasetName::Parse("bench"));
  Must(store->datasets().CreateDataset(
      name, std::vector<std::string>(10, "label"), {}));
  std::vector<ExampleBatch> batches;
  Time("packs", 0, [&] {
    for (std::int64_t at = 0; at < examples; at += batch_size) {
      batches.push_back(
          BatchOf(*store, name, at, std::min(batch_size, examples - at)));
    }
  });
  Time("append", examples, [&] {
    for (const ExampleBatch& batch : batches) {
      Must(store->datasets().AppendExamples(batch));
    }
  });
  store.reset();
  Time("open", 0, [&] { store = Must(Store::Open(options, RealClock())); });
  Time("list", examples, [&] { List(*store, name); });
  Time("seal", examples,
       [&] { Must(store->datasets().SealDataset(name, "", {})); });
  Time("collect", 0, [&] { Must(store->Collect()); });
  Time("verify", 0, [&] {
    for (const Finding& finding : Must(store->Verify())) {
      std::cout << finding.text << "\n";
    }
  });
  std::cout << "database: " << Must(store->Stats()).database_bytes / examples
            << " bytes an example" << std::endl;
  Time("delete", examples,
       [&] { Must(store->datasets().DeleteDataset(name, "", {})); });
  return 0;
}

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  std::int64_t examples = 100'000;
  std::int64_t batch = 256;
  if (argc < 2 || argc > 4 ||
      (argc > 2 && !absl::SimpleAtoi(argv[2], &examples)) ||
      (argc > 3 && !absl::SimpleAtoi(argv[3], &batch))) {
    std::cerr << "usage: store_bench FOLDER [EXAMPLES] [BATCH]\n";
    return 2;
  }
  return resnetd::Main(argv[1], examples, batch);
}
