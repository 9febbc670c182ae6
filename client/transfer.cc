// The calls of Client that move files: upload and download in pieces.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "client/calls.h"
#include "client/convert.h"
#include "server/base/bytes.h"
#include "server/base/ids.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

// The most that a message of an upload may carry.
constexpr std::int64_t kChunkBytes = 1 << 20;

// Gives up an attempt for an error of our own, with a code that is never
// repeated.
grpc::Status Abandon(grpc::ClientContext& context) {
  context.TryCancel();
  return {grpc::StatusCode::ABORTED, ""};
}

absl::Status SourceChanged(std::int64_t got, std::int64_t announced) {
  return ClientError(
      absl::StatusCode::kDataLoss, kReasonSourceChanged,
      absl::StrCat("the file ended after ", got, " of ", announced,
                   " bytes: it changed while it was sent"));
}

// Sends all pieces; false: the server has answered before the end.
absl::StatusOr<bool> SendPieces(
    grpc::ClientWriter<v1::ImportVersionRequest>& writer,
    std::int64_t size_bytes, const ByteSource& source,
    const ByteProgress& progress) {
  std::int64_t sent = 0;
  while (sent < size_bytes) {
    const std::int64_t wanted = std::min(kChunkBytes, size_bytes - sent);
    ASSIGN_OR_RETURN(std::string piece,
                     source(sent, static_cast<std::size_t>(wanted)));
    const auto got = static_cast<std::int64_t>(piece.size());
    if (got == 0) {
      return SourceChanged(sent, size_bytes);
    }
    v1::ImportVersionRequest message;
    message.set_chunk(std::move(piece));
    if (!writer.Write(message)) {
      return false;
    }
    sent += got;
    if (progress) {
      progress(sent, size_bytes);
    }
  }
  return true;
}

// A download in progress: counts, hashes and hands over what comes.
class Receiver {
 public:
  Receiver(const ByteSink& sink, const ByteProgress& progress)
      : sink_(sink), progress_(progress) {}

  bool begun() const { return received_ > 0; }
  const absl::Status& error() const { return error_; }

  void Expect(std::int64_t size_bytes) { size_bytes_ = size_bytes; }

  // False: the download cannot go on; error() says why.
  bool Take(const std::string& piece) {
    if (!size_bytes_) {
      error_ = ClientError(absl::StatusCode::kInternal, kReasonBadAnswer,
                           "the server sent bytes before their number");
      return false;
    }
    received_ += static_cast<std::int64_t>(piece.size());
    if (received_ > *size_bytes_) {
      error_ = Corrupt(absl::StrCat("more than the ", *size_bytes_,
                                    " bytes announced came"));
      return false;
    }
    hash_.Update(AsBytes(piece));
    error_ = sink_(piece);
    if (error_.ok() && progress_) {
      progress_(received_, *size_bytes_);
    }
    return error_.ok();
  }

  // Once everything has come.
  absl::Status Check(absl::string_view digest) {
    if (!size_bytes_) {
      return ClientError(absl::StatusCode::kInternal, kReasonBadAnswer,
                         "the server did not say what it sends");
    }
    if (received_ != *size_bytes_) {
      return Corrupt(absl::StrCat(received_, " of ", *size_bytes_,
                                  " bytes announced came"));
    }
    const std::string actual = hash_.Finish();
    if (actual != digest) {
      return Corrupt(
          absl::StrCat("sha256 is ", actual, ", ", digest, " was announced"));
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status Corrupt(absl::string_view text) {
    return ClientError(absl::StatusCode::kDataLoss, kReasonDownloadCorrupt,
                       absl::StrCat("the download is damaged: ", text));
  }

  const ByteSink& sink_;
  const ByteProgress& progress_;
  std::optional<std::int64_t> size_bytes_;
  std::int64_t received_ = 0;
  Sha256 hash_;
  absl::Status error_;
};

}  // namespace

ByteSource SourceOf(std::istream& input) {
  return [&input](std::int64_t offset,
                  std::size_t bytes) -> absl::StatusOr<std::string> {
    std::string piece(bytes, '\0');
    input.clear();
    input.seekg(offset);
    input.read(piece.data(), static_cast<std::streamsize>(bytes));
    if (input.bad() || (input.fail() && !input.eof())) {
      return ClientError(absl::StatusCode::kDataLoss, kReasonSourceChanged,
                         "the file can no longer be read");
    }
    piece.resize(static_cast<std::size_t>(input.gcount()));
    return piece;
  };
}

absl::StatusOr<Imported> Client::ImportVersion(ImportRequest request,
                                               const ByteSource& source,
                                               const ByteProgress& progress) {
  if (request.request_id.empty()) {
    request.request_id = NewRequestId();
  }
  v1::ImportVersionRequest header;
  *header.mutable_header() = ToProto(request);
  v1::ImportVersionResponse response;
  absl::Status own_error;
  const absl::Status status = calls_->connection.Call(
      {.timeout = calls_->long_timeout,
       .repeats = MayRepeat("ImportVersion", !request.request_id.empty())},
      [&](grpc::ClientContext& context) {
        const std::unique_ptr<grpc::ClientWriter<v1::ImportVersionRequest>>
            writer = calls_->models->ImportVersion(&context, &response);
        if (writer->Write(header)) {
          const absl::StatusOr<bool> sent =
              SendPieces(*writer, request.size_bytes, source, progress);
          if (!sent.ok()) {
            own_error = sent.status();
            grpc::Status abandoned = Abandon(context);
            writer->Finish();
            return abandoned;
          }
          if (*sent) {
            writer->WritesDone();
          }
        }
        return writer->Finish();
      });
  RETURN_IF_ERROR(own_error);
  RETURN_IF_ERROR(status);
  return Imported{.version = FromProto(response.version()),
                  .created = response.created()};
}

absl::StatusOr<Exported> Client::ExportVersion(absl::string_view version,
                                               const ByteSink& sink,
                                               const ByteProgress& progress) {
  v1::ExportVersionRequest request;
  request.set_name(ModelResource(version));
  Receiver receiver(sink, progress);
  v1::ExportVersionHeader header;
  const absl::Status status = calls_->connection.Call(
      {.timeout = calls_->long_timeout,
       .repeats = MayRepeatAsIs(request),
       .may_repeat = [&receiver] { return !receiver.begun(); }},
      [&](grpc::ClientContext& context) {
        const auto reader = calls_->models->ExportVersion(&context, request);
        v1::ExportVersionResponse message;
        while (reader->Read(&message)) {
          if (message.has_header()) {
            header = message.header();
            receiver.Expect(header.size_bytes());
          } else if (!receiver.Take(message.chunk())) {
            grpc::Status abandoned = Abandon(context);
            reader->Finish();
            return abandoned;
          }
        }
        return reader->Finish();
      });
  RETURN_IF_ERROR(receiver.error());
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(receiver.Check(header.sha256()));
  return Exported{.version = FromProto(header.version()),
                  .sha256 = header.sha256(),
                  .size_bytes = header.size_bytes()};
}

absl::StatusOr<std::int64_t> Client::GetBlob(absl::string_view digest,
                                             const ByteSink& sink,
                                             const ByteProgress& progress) {
  v1::GetBlobRequest request;
  request.set_digest(std::string(digest));
  Receiver receiver(sink, progress);
  std::int64_t size_bytes = 0;
  const absl::Status status = calls_->connection.Call(
      {.timeout = calls_->long_timeout,
       .repeats = MayRepeatAsIs(request),
       .may_repeat = [&receiver] { return !receiver.begun(); }},
      [&](grpc::ClientContext& context) {
        const auto reader = calls_->models->GetBlob(&context, request);
        v1::GetBlobResponse message;
        while (reader->Read(&message)) {
          if (message.part_case() == v1::GetBlobResponse::kSizeBytes) {
            size_bytes = message.size_bytes();
            receiver.Expect(size_bytes);
          } else if (!receiver.Take(message.chunk())) {
            grpc::Status abandoned = Abandon(context);
            reader->Finish();
            return abandoned;
          }
        }
        return reader->Finish();
      });
  RETURN_IF_ERROR(receiver.error());
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(receiver.Check(digest));
  return size_bytes;
}

}  // namespace resnetd::client
