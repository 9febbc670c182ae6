#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Traits = grpc::SerializationTraits<Message>;

// A client of grpc.reflection.v1alpha. Its messages have no header to include,
// but their descriptors are in the process: the server's library has them.
class ReflectionClient {
 public:
  explicit ReflectionClient(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(channel) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(20));
    call_ = stub_.PrepareCall(
        &context_,
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        &queue_);
    call_->StartCall(this);
    Await();
  }
  ~ReflectionClient() {
    context_.TryCancel();
    grpc::Status status;
    call_->Finish(&status, this);
    Await();
    queue_.Shutdown();
  }

  // The answer to a request whose string field `field` is `value`; nullptr when
  // the server has ended the stream.
  std::unique_ptr<Message> Ask(const char* field, const std::string& value) {
    const std::unique_ptr<Message> request = New("ServerReflectionRequest");
    request->GetReflection()->SetString(
        request.get(), request->GetDescriptor()->FindFieldByName(field), value);
    grpc::ByteBuffer bytes;
    bool own = false;
    EXPECT_TRUE(Traits::Serialize(*request, &bytes, &own).ok());
    call_->Write(bytes, this);
    grpc::ByteBuffer answer;
    if (!Await()) {
      return nullptr;
    }
    call_->Read(&answer, this);
    if (!Await()) {
      return nullptr;
    }
    std::unique_ptr<Message> response = New("ServerReflectionResponse");
    EXPECT_TRUE(Traits::Deserialize(&answer, response.get()).ok());
    return response;
  }

  std::vector<std::string> ListServices() {
    std::vector<std::string> names;
    const auto response = Ask("list_services", "");
    if (response == nullptr) {
      return names;
    }
    const Message& list = Sub(*response, "list_services_response");
    const FieldDescriptor* services =
        list.GetDescriptor()->FindFieldByName("service");
    for (int i = 0; i < list.GetReflection()->FieldSize(list, services); ++i) {
      const Message& service =
          list.GetReflection()->GetRepeatedMessage(list, services, i);
      names.push_back(service.GetReflection()->GetString(
          service, service.GetDescriptor()->FindFieldByName("name")));
    }
    return names;
  }

  // Adds the file that `field` and `value` ask for, and those it imports.
  // False when the server does not describe one of them.
  bool Fetch(const char* field, const std::string& value,
             google::protobuf::SimpleDescriptorDatabase& files) {
    const auto response = Ask(field, value);
    if (response == nullptr) {
      return false;
    }
    const Message& answer = Sub(*response, "file_descriptor_response");
    const FieldDescriptor* protos =
        answer.GetDescriptor()->FindFieldByName("file_descriptor_proto");
    const int count = answer.GetReflection()->FieldSize(answer, protos);
    for (int i = 0; i < count; ++i) {
      google::protobuf::FileDescriptorProto file;
      EXPECT_TRUE(file.ParseFromString(
          answer.GetReflection()->GetRepeatedString(answer, protos, i)));
      google::protobuf::FileDescriptorProto known;
      if (files.FindFileByName(file.name(), &known)) {
        continue;
      }
      files.Add(file);
      for (const std::string& import : file.dependency()) {
        if (!files.FindFileByName(import, &known) &&
            !Fetch("file_by_filename", import, files)) {
          return false;
        }
      }
    }
    return count > 0;
  }

 private:
  static std::unique_ptr<Message> New(const std::string& name) {
    const auto* type = DescriptorPool::generated_pool()->FindMessageTypeByName(
        "grpc.reflection.v1alpha." + name);
    return std::unique_ptr<Message>(
        google::protobuf::MessageFactory::generated_factory()
            ->GetPrototype(type)
            ->New());
  }
  static const Message& Sub(const Message& message, const char* field) {
    return message.GetReflection()->GetMessage(
        message, message.GetDescriptor()->FindFieldByName(field));
  }
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

using GrpcServerReflectionTest = RpcTest;

TEST_F(GrpcServerReflectionTest, ListsEveryService) {
  Listen();
  ReflectionClient client(channel_);
  EXPECT_THAT(
      client.ListServices(),
      testing::UnorderedElementsAre(
          "resnetd.v1.ClassificationService", "resnetd.v1.DatasetService",
          "resnetd.v1.FineTuneService", "resnetd.v1.GradientLabService",
          "resnetd.v1.ModelService", "resnetd.v1.ServerService",
          "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"));
}

TEST_F(GrpcServerReflectionTest, DescribesEveryServiceThatItLists) {
  Listen();
  ReflectionClient client(channel_);
  for (const std::string& name : client.ListServices()) {
    google::protobuf::SimpleDescriptorDatabase files;
    ASSERT_TRUE(client.Fetch("file_containing_symbol", name, files)) << name;
    // Nothing but what came over the wire: a pool that knows no other file.
    DescriptorPool pool(&files);
    const auto* service = pool.FindServiceByName(name);
    ASSERT_NE(service, nullptr) << name;
    EXPECT_GT(service->method_count(), 0) << name;
  }
}

TEST_F(GrpcServerReflectionTest, StreamsThatStayOpenTakeABoundedShare) {
  ListenReady();
  std::vector<std::unique_ptr<ReflectionClient>> open;
  std::size_t refused = 0;
  for (int i = 0; i < 64; ++i) {
    open.push_back(std::make_unique<ReflectionClient>(channel_));
    refused += open.back()->ListServices().empty() ? 1 : 0;
  }
  EXPECT_GT(refused, 0U);
  EXPECT_LT(refused, 64U);
  EXPECT_TRUE(Classify(OneImage()).ok());
  open.clear();
  // The places are given back.
  while (ReflectionClient(channel_).ListServices().empty()) {
  }
}

}  // namespace
}  // namespace resnetd
