# shellcheck shell=bash
# ./dev bundle: what is built, as one folder that runs on a machine with nothing
# but Python's torch. Sourced.

# What is of use beside a GPU.
readonly bundled=(resnetd resnetctl nn_test nn_lab_test torch_plugin_test
  plugin_test claims_test engine_test wire_test gpu_bench training_bench
  gradients_bench engine_bench claims_bench interference_load promotion_load)

# What bench_gpu needs of the sources, where there is no copy of them.
readonly bundled_sources=(tests/bench/*.py tests/integration/harness.py
  tests/golden/logits tools/digit_files.py)

# Of glibc, which every machine has its own of, and what torch brings along.
readonly of_glibc='^(ld-linux-x86-64|lib(c|m|dl|rt|pthread|resolv|anl|util|mvec))\.so'
readonly of_torch='^lib(torch|c10|gomp|shm)|/torch/lib/|/nvidia/'

# bundle_libraries FILE...: the distribution's libraries that they need.
bundle_libraries() {
  local path name
  ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
    while IFS= read -r path; do
      name=${path##*/}
      [[ $name =~ $of_glibc || $name =~ $of_torch || $path =~ $of_torch ]] ||
        echo "$path"
    done
}

# write_runner FILE: the program that starts what is in the bundle.
write_runner() {
  sed "s|@SOURCE@|$root|" >"$1" <<'RUNNER'
#!/bin/sh
# run COMMAND...: runs it with the programs and libraries of this bundle and the
# LibTorch of Python's torch (RESNETD_PYTHON names another python3). Unpacks
# itself beside this file when it is first used.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=${RESNETD_PYTHON:-python3}
if [ ! -d "$here/unpacked" ]; then
  "$python" - "$here" <<'PYTHON'
import os, sys, tarfile
here = sys.argv[1]
with tarfile.open(f"{here}/bundle.tar.xz") as tar:
    tar.extractall(f"{here}/unpacked.new")
os.rename(f"{here}/unpacked.new", f"{here}/unpacked")
PYTHON
fi
# Where LibTorch is, without importing it, which takes seconds.
torch=$("$python" - <<'PYTHON'
import glob, importlib.metadata, importlib.util, os, sys
spec = importlib.util.find_spec("torch")
if spec is None:
    sys.exit("error: this python3 has no torch: pip install torch==2.11.0")
version = importlib.metadata.version("torch")
if version.split("+")[0] != "2.11.0":
    sys.exit(f"error: this python3 has torch {version}, the bundle needs 2.11.0")
folder = spec.submodule_search_locations[0]
site = os.path.dirname(folder)
print(":".join([f"{folder}/lib", *sorted(glob.glob(f"{site}/nvidia/*/lib"))]))
PYTHON
)
# Tests look for their data where they were built.
source='@SOURCE@'
if [ ! -e "$source" ] && [ -e dev ]; then
  mkdir -p "$(dirname "$source")" && ln -s "$PWD" "$source"
fi
# For programs that are not ours, Python's torch among them.
export RESNETD_OUTER_LIBRARY_PATH="${LD_LIBRARY_PATH-}"
export LD_LIBRARY_PATH="$here/unpacked/lib:$torch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export PATH="$here/unpacked/bin:$PATH"
export RESNETD_BIN_DIR="$here/unpacked/bin"
exec "$@"
RUNNER
  chmod +x "$1"
}

# write_bench FILE: ./dev bench gpu with what is in the bundle.
write_bench() {
  cat >"$1" <<'BENCH'
#!/bin/sh
# Every goal of a GPU: bench_gpu --help.
exec "${RESNETD_PYTHON:-python3}" -B \
  "$(dirname -- "$0")/../source/tests/bench/gpu_bench.py" "$@"
BENCH
  chmod +x "$1"
}

# run_bundle DIR [PRESET]
run_bundle() {
  local to=$1 preset=${2:-release} folder program file
  local build="build/$preset"
  build_targets "$preset" "${bundled[@]}" resnetd_torch
  folder=$(mktemp -d)
  mkdir -p "$folder"/{bin,lib,share/resnetd,source}
  cp -r models "$folder/share/resnetd/models"
  cp -r --parents "${bundled_sources[@]}" "$folder/source"
  write_bench "$folder/bin/bench_gpu"
  for program in "${bundled[@]}"; do
    strip -o "$folder/bin/$program" "$build/bin/$program"
  done
  strip -o "$folder/lib/libresnetd_torch.so" "$build/lib/libresnetd_torch.so"
  while IFS= read -r file; do
    strip -o "$folder/lib/${file##*/}" "$(readlink -f "$file")"
  done < <(bundle_libraries "${bundled[@]/#/$build/bin/}" \
    "$build/lib/libresnetd_torch.so")
  mkdir -p "$to"
  rm -rf "$to/unpacked"
  step "pack $(du -sh "$folder" | cut -f1)" \
    tar -C "$folder" -c -I 'xz -T0 -6' -f "$to/bundle.tar.xz" .
  rm -rf "$folder"
  write_runner "$to/run"
  # What a GPU machine is sent holds 64 MiB with the working tree.
  local bytes
  bytes=$(stat -c %s "$to/bundle.tar.xz")
  say "$to: $((bytes / 1048576)) MiB; $to/run resnetd --version"
}
