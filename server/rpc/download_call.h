#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/sha256.h"
#include "server/rpc/server_stream.h"
#include "server/store/store.h"

namespace resnetd {

// Bytes of one chunk of a file, up or down.
inline constexpr std::size_t kMaxChunkBytes = std::size_t{1} << 20U;

// Reads a blob from its first to its last byte and checks on the way that the
// bytes have its digest: the last ones come out only if they do. Not
// thread-safe.
class VerifiedBlob {
 public:
  VerifiedBlob(std::unique_ptr<BlobReader> blob, Digest digest)
      : blob_(std::move(blob)), digest_(std::move(digest)) {}

  std::int64_t size() const { return blob_->size(); }
  // The whole blob was read and is sound.
  bool is_done() const { return is_verified_; }
  // The next kMaxChunkBytes or what is left, into `chunk`.
  // DATA_LOSS (STORE_CORRUPT), and the errors of BlobReader::ReadAt.
  absl::Status Read(std::string& chunk);

 private:
  std::unique_ptr<BlobReader> blob_;
  Digest digest_;
  Sha256 hash_;
  std::int64_t offset_ = 0;
  bool is_verified_ = false;
};

// What is downloaded: the first message, and the blob whose chunks follow.
template <typename Response>
struct Download {
  Response header;
  VerifiedBlob blob;
};

// ExportVersion and GetBlob. One chunk is in memory at a time. Not thread-safe,
// see ServerStream.
template <typename Request, typename Response>
class DownloadCall final : public ServerStream {
 public:
  // Runs in the lane.
  using Open =
      std::function<absl::StatusOr<Download<Response>>(const Request&)>;
  DownloadCall(CallEnvironment& environment, absl::string_view method,
               grpc::CallbackServerContext& context, CallLane& lane)
      : ServerStream(environment, method, context), lane_(lane) {}

  void Start(const grpc::ByteBuffer& bytes, Open open) {
    // A chunk is held twice while it is put into a message.
    if (const absl::Status status = Accept(
            bytes, 2 * kMaxChunkBytes, Availability::kWhenServing, request_);
        !status.ok()) {
      End(status);
      return;
    }
    open_ = std::move(open);
    Continue(lane_, [this] { SendHeader(); });
  }

 private:
  void SendHeader() {
    if (is_gone()) {
      Stop(record().Gone());
      return;
    }
    absl::StatusOr<Download<Response>> download = open_(request_);
    if (!download.ok()) {
      Stop(download.status());
      return;
    }
    blob_.emplace(std::move(download->blob));
    Send(download->header);
  }

  void OnSent() override {
    Continue(lane_, [this] { SendChunk(); });
  }

  void SendChunk() {
    if (is_gone()) {
      Stop(record().Gone());
      return;
    }
    if (blob_->is_done()) {
      Stop(absl::OkStatus());
      return;
    }
    Response message;
    if (const absl::Status status = blob_->Read(*message.mutable_chunk());
        !status.ok()) {
      Stop(status);
      return;
    }
    sent_ += message.chunk().size();
    record().set_amount("bytes", sent_);
    if (message.chunk().empty()) {
      Stop(absl::OkStatus());
      return;
    }
    Send(message);
  }

  // Lets go of the blob before the client knows, so that whoever deletes it
  // after the call does not find it in use.
  void Stop(const absl::Status& outcome) {
    blob_.reset();
    End(outcome);
  }

  CallLane& lane_;
  Request request_;
  Open open_;
  std::optional<VerifiedBlob> blob_;
  std::size_t sent_ = 0;
};

}  // namespace resnetd
