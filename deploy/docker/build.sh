#!/usr/bin/env bash
# Builds the programs and installs them into a folder, as images and packages take
# them: bin/, share/resnetd, and with LibTorch the plug-in beside it in lib/.
#
# usage: deploy/docker/build.sh PREFIX [slim|cuda]
#   slim, cuda   build the plug-in too, with LibTorch for CPUs or for GPUs
set -euo pipefail

[[ $# -ge 1 && $# -le 2 ]] || { sed -n '2,/^set -/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
prefix=$1 torch=${2:-none}
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
# shellcheck source=tools/dev.d/common.sh
source tools/dev.d/common.sh
# shellcheck source=tools/dev.d/setup.sh
source tools/dev.d/setup.sh

targets=(resnetd resnetctl)
# Archives: an image of fewer libraries.
settings=(-DRESNETD_STATIC_GRPC=ON)
case $torch in
  none)
    setup_packages demo
    settings+=(-DRESNETD_WITH_TORCH=OFF)
    ;;
  slim | cuda)
    setup_packages all
    setup_torch "$torch"
    targets+=(resnetd_torch)
    settings+=(-DRESNETD_WITH_TORCH=ON)
    ;;
  *) usage_error "slim or cuda, not '$torch'" ;;
esac
quietly cmake --preset release "${settings[@]}"
./dev build release "${targets[@]}"
cmake --install build/release --prefix "$prefix" --strip
# Pictures that the demo of fine-tuning learns from.
rm -rf "$prefix/share/resnetd/photos"
python3 -B tools/digit_files.py "$prefix/share/resnetd/photos" 0123456789 training 100
install -D -m 0644 -t "$prefix/share/doc/resnetd" LICENSE README.md
