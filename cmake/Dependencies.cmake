# Every third-party package, once, with the version the code is written for.
# Each big one is linked by exactly one module (tests/lint/check_layers.py).

# Makes opencv_core, opencv_imgproc, ... from the packages of these parts alone.
# OpenCV's own CMake file comes only with libopencv-dev: 230 MB to fetch for
# parts that nothing here uses.
function(resnetd_find_opencv)
  find_path(OPENCV_INCLUDE_DIR opencv2/core.hpp PATH_SUFFIXES opencv4 REQUIRED)
  foreach(part IN LISTS ARGN)
    find_library(OPENCV_${part}_LIBRARY opencv_${part} REQUIRED)
    add_library(opencv_${part} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(opencv_${part} PROPERTIES
      IMPORTED_LOCATION "${OPENCV_${part}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${OPENCV_INCLUDE_DIR}")
  endforeach()
endfunction()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(absl REQUIRED)
find_package(spdlog REQUIRED)                     # base
find_package(OpenSSL 3 REQUIRED)                  # base: SHA-256
find_package(nlohmann_json REQUIRED)              # models, finetune, engine, rpc, app, client
find_package(CLI11 REQUIRED)                      # app, client
# app. The header alone: the library beside it would be one more to install.
find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)
resnetd_find_opencv(core imgproc)                 # image
find_package(JPEG REQUIRED)                       # image
find_package(PNG REQUIRED)                        # image
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp libwebpdemux)  # image
find_package(ZLIB REQUIRED)                       # models: CRC-32
find_package(prometheus-cpp REQUIRED COMPONENTS core)   # telemetry
find_package(civetweb REQUIRED)                   # telemetry: HTTP
find_package(SQLite3 REQUIRED)                    # store

if(RESNETD_WITH_ENGINE)
  # engine. Not the package's own CMake file: Debian's asks for OpenCL headers
  # that a CPU build never includes.
  find_library(DNNL_LIBRARY dnnl REQUIRED)
  find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
  add_library(dnnl::dnnl UNKNOWN IMPORTED)
  set_target_properties(dnnl::dnnl PROPERTIES
    IMPORTED_LOCATION "${DNNL_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${DNNL_INCLUDE_DIR}")
endif()
if(RESNETD_WITH_RPC)
  # rpc, client. One that was built from source has a CMake file, which knows the
  # abseil that it needs; the distribution's has none.
  find_package(Protobuf CONFIG QUIET)
  if(NOT Protobuf_FOUND)
    find_package(Protobuf REQUIRED)
  endif()
  find_package(gRPC CONFIG REQUIRED)
  # What the log of a newer gRPC is: abseil's.
  set(RESNETD_GRPC_LOG)
  if(NOT gRPC_VERSION VERSION_LESS 1.60)
    set(RESNETD_GRPC_LOG absl::log_entry absl::log_globals absl::log_initialize
      absl::log_sink absl::log_sink_registry)
  endif()
  pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)  # client: .tar
endif()

if(NOT RESNETD_WITH_TORCH STREQUAL "OFF")
  if(RESNETD_WITH_TORCH STREQUAL "ON")
    find_package(LibTorch REQUIRED)               # nn
  else()
    find_package(LibTorch QUIET)
  endif()
endif()

find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
include(GoogleTest)
