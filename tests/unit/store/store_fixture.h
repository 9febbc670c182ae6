#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/ids.h"
#include "server/base/sha256.h"
#include "server/store/open_store.h"
#include "server/store/real_file_system.h"
#include "server/store/store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace resnetd {

// The value, or the end of the test program with the error: for steps that a
// test only stands on.
template <typename Value>
Value Must(absl::StatusOr<Value> value) {
  if (!value.ok()) {
    std::cerr << value.status() << std::endl;
    std::abort();
  }
  return *std::move(value);
}

inline void Must(const absl::Status& status) {
  if (!status.ok()) {
    std::cerr << status << std::endl;
    std::abort();
  }
}

inline ModelName Model(absl::string_view name) {
  return Must(ModelName::Parse(name));
}

inline absl::Span<const std::uint8_t> BytesOf(absl::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::uint8_t*>(text.data()),
                             text.size());
}

// Stores `text` as a blob.
inline Digest PutBlob(Store& store, absl::string_view text) {
  const std::unique_ptr<BlobWriter> writer =
      Must(store.NewBlob(static_cast<std::int64_t>(text.size())));
  Must(writer->Write(BytesOf(text)));
  return Must(writer->Commit());
}

// The `number`-th of many versions, all different; its blobs are stored.
inline NewVersion VersionOf(Store& store, absl::string_view model, int number) {
  const std::string tail = absl::StrCat(" of ", model, " ", number);
  return {.model = Model(model),
          .weights = PutBlob(store, "weights" + tail),
          .manifest = PutBlob(store, "manifest" + tail),
          .labels = PutBlob(store, "labels"),
          .golden = PutBlob(store, "golden" + tail),
          .content_key = "key" + tail,
          .source = Sha256Hex(BytesOf("source" + tail)),
          .source_format = "safetensors",
          .parent = std::nullopt,
          .first_alias = "stable"};
}

// A store in a folder of its own that can be closed and opened again. Its files
// are not synced: only a power cut could tell, and the tests are fast.
class OpenedStore {
 public:
  explicit OpenedStore(const StoreOptions& options = {}) : options_(options) {
    options_.folder = folder_.path();
    Open();
  }

  Store& operator*() { return *store_; }
  Store* operator->() { return store_.get(); }
  FakeClock& clock() { return clock_; }
  const TempDir& folder() const { return folder_; }
  std::string database() const { return folder_.File("meta.db"); }
  std::string BlobFile(const Digest& digest) const {
    return folder_.File("blobs/sha256/" + digest.substr(0, 2) + "/" + digest);
  }

  void Close() { store_.reset(); }
  absl::Status TryOpen() {
    Close();
    auto store =
        OpenStoreOver(Must(OpenRealFileSystem(folder_.path(), false)),
                      {.path = database(), .durable = false}, options_, clock_);
    if (store.ok()) {
      store_ = *std::move(store);
    }
    return store.status();
  }
  void Open() { Must(TryOpen()); }

 private:
  StoreOptions options_;
  TempDir folder_;
  FakeClock clock_;
  std::unique_ptr<Store> store_;
};

inline AliasMove MoveTo(absl::string_view model, std::int64_t version,
                        absl::string_view alias = "stable") {
  return {.model = Model(model),
          .alias = std::string(alias),
          .to = VersionNumber{version},
          .expected_version = std::nullopt};
}

inline Published PublishNumber(Store& store, absl::string_view model,
                               int number) {
  return Must(store.Publish(VersionOf(store, model, number),
                            {.method = "ImportVersion"}));
}

}  // namespace resnetd
