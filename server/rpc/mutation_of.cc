#include "server/rpc/mutation_of.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/bytes.h"
#include "server/base/sha256.h"

namespace resnetd {
namespace {

std::string DigestOf(const google::protobuf::Message& message) {
  // The type first: two messages may have the same bytes.
  std::string bytes = absl::StrCat(message.GetTypeName(), "\n");
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeWithCachedSizes(&coded);
  }
  return Sha256Hex(AsBytes(bytes));
}

}  // namespace

Mutation MutationOf(absl::string_view method,
                    const google::protobuf::Message& request,
                    absl::string_view actor) {
  const google::protobuf::FieldDescriptor* id =
      request.GetDescriptor()->FindFieldByName("request_id");
  Mutation mutation{.actor = std::string(actor), .method = std::string(method)};
  mutation.request_id = request.GetReflection()->GetString(request, id);
  const std::unique_ptr<google::protobuf::Message> rest(request.New());
  rest->CopyFrom(request);
  rest->GetReflection()->ClearField(rest.get(), id);
  rest->ByteSizeLong();
  mutation.request_hash = DigestOf(*rest);
  return mutation;
}

}  // namespace resnetd
