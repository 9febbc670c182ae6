#!/usr/bin/env bash
# Builds a release of gRPC, with the abseil and protobuf that belong to it, from
# source into /usr/local, where CMake finds it before the distribution's. Without
# a release: does nothing.
#
# usage: deploy/docker/grpc.sh [RELEASE]    e.g. 1.66.2
#
# Untested: nobody has built an image with it yet. docs/operations.md says what has been
# compiled with a newer gRPC. tests/lint/grpc_script_test.py runs
# it with stand-ins for git, apt-get and cmake.
set -euo pipefail

release=${1:-}
[[ -n $release ]] || exit 0
[[ $release =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || {
  echo "grpc.sh: '$release' is no release such as 1.66.2" >&2
  exit 2
}
apt-get update -q
apt-get install -q -y --no-install-recommends git ca-certificates
git clone --depth 1 --branch "v$release" --recurse-submodules --shallow-submodules \
  https://github.com/grpc/grpc /tmp/grpc
cmake -S /tmp/grpc -B /tmp/grpc/build -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_INSTALL_PREFIX=/usr/local \
  -DCMAKE_CXX_STANDARD=20 -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
  -DBUILD_SHARED_LIBS=OFF -DABSL_PROPAGATE_CXX_STD=ON \
  -DgRPC_INSTALL=ON -DgRPC_BUILD_TESTS=OFF \
  -DgRPC_SSL_PROVIDER=package -DgRPC_ZLIB_PROVIDER=package
cmake --build /tmp/grpc/build
cmake --install /tmp/grpc/build
rm -rf /tmp/grpc
