#include "server/rpc/import_call.h"

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert_import.h"
#include "server/rpc/convert_version.h"
#include "server/rpc/download_call.h"
#include "server/rpc/model_changes.h"
#include "server/rpc/mutation_of.h"

namespace resnetd {
namespace {

// Tag and length around a chunk.
constexpr std::size_t kChunkOverheadBytes = 16;

absl::Status ChunkTooLarge(std::size_t bytes) {
  const std::string text = absl::StrCat("chunk has ", bytes, " bytes, at most ",
                                        kMaxChunkBytes, " are accepted");
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded, text)
      .Violation("chunk", text)
      .Metadata("limit_name", "chunk-bytes")
      .Metadata("limit", absl::StrCat(kMaxChunkBytes))
      .Metadata("value", absl::StrCat(bytes));
}

}  // namespace

ImportCall::ImportCall(CallEnvironment& environment,
                       grpc::CallbackServerContext& context,
                       grpc::ByteBuffer& response, ModelManager& manager,
                       CallLanes& lanes, std::function<void()> imported)
    : record_(environment, "ImportVersion", context),
      response_(response),
      manager_(manager),
      lanes_(lanes),
      imported_(std::move(imported)) {}

void ImportCall::Start() {
  record_.set_amount("bytes", 0);
  // A chunk is held twice while it is taken out of its message.
  if (const absl::Status status =
          record_.Enter(2 * kMaxChunkBytes, Availability::kWhenServing);
      !status.ok()) {
    End(status);
    return;
  }
  ReadNext();
}

void ImportCall::OnReadDone(bool ok) {
  has_more_ = ok;
  // The session is used, and freed, in the lane alone: both wait for the disk.
  Continue(lanes_.transfers, [this] { Take(); });
}

void ImportCall::Continue(CallLane& lane, std::function<void()> step) {
  if (const absl::Status status = lane.Submit(std::move(step)); !status.ok()) {
    End(status);
  }
}

void ImportCall::Take() {
  if (record_.cancelled()->load()) {
    End(record_.Gone());
    return;
  }
  if (!has_more_) {
    TakeEnd();
    return;
  }
  if (const absl::Status status = TakeMessage(); !status.ok()) {
    End(status);
    return;
  }
  ReadNext();
}

void ImportCall::TakeEnd() {
  if (session_ == nullptr) {
    End(BadPart("header", "the stream ended without a header"));
    return;
  }
  Continue(lanes_.imports, [this] { Publish(); });
}

absl::Status ImportCall::TakeMessage() {
  const std::size_t bytes = bytes_.Length();
  if (session_ == nullptr) {
    // Labels stay in memory until the version is stored.
    RETURN_IF_ERROR(record_.ticket().Charge(bytes));
  } else if (bytes > kMaxChunkBytes + kChunkOverheadBytes) {
    return ChunkTooLarge(bytes);  // Not worth parsing.
  }
  v1::ImportVersionRequest message;
  RETURN_IF_ERROR(ParseMessage(bytes_, message));
  switch (message.part_case()) {
    case v1::ImportVersionRequest::kHeader:
      return TakeHeader(*message.mutable_header());
    case v1::ImportVersionRequest::kChunk:
      return TakeChunk(message.chunk());
    case v1::ImportVersionRequest::PART_NOT_SET:
      break;
  }
  return BadPart("part", "a message has neither header nor chunk");
}

absl::Status ImportCall::TakeHeader(v1::ImportVersionHeader& header) {
  if (session_ != nullptr) {
    return BadPart("header",
                   "a second header; the first message alone has one");
  }
  record_.UseRequestId(header.request_id());
  const Mutation mutation =
      MutationOf("ImportVersion", header, record_.actor());
  RETURN_IF_ERROR(CheckOwnsModels(record_.environment().is_replica));
  ASSIGN_OR_RETURN(const ImportHeader domain,
                   ToImportHeader(header, record_.environment().limits));
  ASSIGN_OR_RETURN(session_, manager_.Import(domain, mutation));
  return absl::OkStatus();
}

absl::Status ImportCall::TakeChunk(const std::string& chunk) {
  if (session_ == nullptr) {
    return BadPart("header", "a chunk before the header");
  }
  if (chunk.empty()) {
    return BadPart("chunk", "an empty chunk; one has at least 1 byte");
  }
  if (chunk.size() > kMaxChunkBytes) {
    return ChunkTooLarge(chunk.size());
  }
  received_ += chunk.size();
  record_.set_amount("bytes", received_);
  return session_->Write(AsBytes(chunk));
}

void ImportCall::Publish() {
  if (record_.cancelled()->load()) {
    End(record_.Gone());
    return;
  }
  const absl::StatusOr<Imported> imported = session_->Finish();
  if (!imported.ok()) {
    End(imported.status());
    return;
  }
  imported_();
  v1::ImportVersionResponse message;
  *message.mutable_version() = ToProto(imported->version, Labels::kInclude);
  message.set_created(imported->created);
  End(SerializeMessage(message, record_.environment().max_response_bytes,
                       response_));
}

void ImportCall::End(const absl::Status& outcome) {
  // Before the client knows: what it looks at then is as the call left it.
  session_.reset();
  Finish(record_.End(outcome));
}

}  // namespace resnetd
