# resnetd_proto_library(<target> <root> <file>...)
# Generates messages and gRPC stubs of the files, given relative to <root>, and
# compiles them into a static library.
function(resnetd_proto_library target root)
  set(out "${CMAKE_CURRENT_BINARY_DIR}/generated")
  set(sources)
  foreach(file IN LISTS ARGN)
    string(REGEX REPLACE "\\.proto$" "" stem "${file}")
    set(made "${out}/${stem}.pb.cc" "${out}/${stem}.pb.h"
             "${out}/${stem}.grpc.pb.cc" "${out}/${stem}.grpc.pb.h")
    add_custom_command(
      OUTPUT ${made}
      COMMAND ${CMAKE_COMMAND} -E make_directory "${out}"
      COMMAND protobuf::protoc --proto_path=${root}
        --cpp_out=${out} --grpc_out=${out}
        --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>
        ${root}/${file}
      DEPENDS "${root}/${file}" protobuf::protoc
      COMMENT "protoc ${file}" VERBATIM)
    list(APPEND sources ${made})
  endforeach()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} SYSTEM PUBLIC "${out}")
  target_link_libraries(${target} PUBLIC gRPC::grpc++ protobuf::libprotobuf)
endfunction()
