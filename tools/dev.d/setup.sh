# shellcheck shell=bash
# ./dev setup: packages of the distribution, LibTorch, lint tools. Sourced.
# Each part looks first and is silent when nothing is missing.

# Enough to build and run the server and the client.
readonly demo_packages=(
  g++ cmake ninja-build ccache mold pkg-config python3
  libabsl-dev libspdlog-dev libssl-dev nlohmann-json3-dev libcli11-dev
  libtomlplusplus-dev
  libopencv-core-dev libopencv-imgproc-dev libjpeg-dev libpng-dev libwebp-dev
  prometheus-cpp-dev libcivetweb-dev libcurl4-openssl-dev zlib1g-dev
  libsqlite3-dev libarchive-dev
  libdnnl-dev
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libgtest-dev libgmock-dev libbenchmark-dev
)
# What tests and static checks take on top.
readonly test_packages=(
  git clang clang-tidy openssl shellcheck sqlite3 strace python3-pip
  python3-yaml python3-numpy python3-pil python3-jsonschema
)

# Of DESIGN.md section 10: the wheel without its CUDA libraries builds the
# plug-in for the CPU; with all of them it also builds for CUDA.
readonly torch_version=2.11.0
readonly torch_slim=(
  "torch==$torch_version" nvidia-cuda-runtime==13.0.96
  nvidia-cuda-cupti==13.0.85
)
readonly torch_cuda=(
  "torch==$torch_version" nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85
)
# The formatter and the proto linter differ from version to version in what
# they accept, so these two are pinned and do not come from the distribution.
readonly lint_tools=(buf-bin==1.75.0 clang-format==14.0.6)

supported_distribution() {
  local facts=${RESNETD_OS_RELEASE:-/etc/os-release} name
  [[ -r $facts ]] || return 1
  # shellcheck source=/dev/null
  name=$(. "$facts" && echo "${ID:-} ${VERSION_ID:-}")
  is_one_of "$name" "debian 12" "debian 13" "ubuntu 24.04"
}

missing_packages() {
  local package
  for package in "$@"; do
    # shellcheck disable=SC2016  # dpkg-query expands it, not the shell
    case $(dpkg-query -W -f '${db:Status-Abbrev}\n' "$package" 2>/dev/null) in
      *ii*) ;;
      *) echo "$package" ;;
    esac
  done
}

# As root, by sudo if need be; says so before it asks for a password.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this needs root and there is no sudo; as root, run: $*"
  fi
}

# setup_packages demo|all
setup_packages() {
  [[ -z ${RESNETD_SKIP_SETUP:-} ]] || return 0
  if ! supported_distribution; then
    die "this is not Debian 12, Debian 13 or Ubuntu 24.04, whose packages are" \
      "known here. Use Docker: 'docker compose up -d --build' builds and runs" \
      "the server in a container. Or install what tools/dev.d/setup.sh names" \
      "by hand and set RESNETD_SKIP_SETUP=1"
  fi
  local wanted=("${demo_packages[@]}") missing=()
  [[ $1 == demo ]] || wanted+=("${test_packages[@]}")
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  say "packages to install: ${missing[*]}"
  [[ $EUID -eq 0 ]] || say "sudo may ask for your password"
  step "apt-get update" quietly as_root apt-get update -q
  LC_ALL=C apt-get install --assume-no --no-install-recommends \
    "${missing[@]}" 2>/dev/null |
    grep -E '(Need to get|After this|Download size|Space needed)' || true
  say "this may take one to four minutes"
  step "apt-get install" quietly as_root \
    env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
    --no-install-recommends -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 \
    "${missing[@]}"
}

# quietly COMMAND...: its output only when it fails.
quietly() {
  local log rc=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 || rc=$?
  [[ $rc -eq 0 ]] || tail -n 60 "$log" >&2
  rm -f "$log"
  return "$rc"
}

# pip_into FOLDER ARGUMENTS...: a folder that exists whole or not at all; its
# stamp names what it holds.
pip_into() {
  local folder=$1
  shift
  rm -rf "$folder.part"
  mkdir -p "$folder.part"
  # The distribution's Python: any other may lack pip or the right wheels.
  quietly /usr/bin/python3 -m pip install --no-input --no-cache-dir \
    --disable-pip-version-check --root-user-action=ignore --no-compile \
    --target "$folder.part" "$@" || return 1
  rm -rf "$folder"
  mv "$folder.part" "$folder"
}

stamp_is() { [[ -f $1/.stamp && $(<"$1/.stamp") == "$2" ]]; }

setup_lint_tools() {
  [[ -z ${RESNETD_SKIP_SETUP:-} ]] || return 0
  ! stamp_is .deps/lint "${lint_tools[*]}" || return 0
  step "lint tools into .deps/lint: ${lint_tools[*]} (40 MB)" \
    pip_into .deps/lint --no-deps "${lint_tools[@]}"
  echo "${lint_tools[*]}" >.deps/lint/.stamp
}

# The server that scrapes and its checker. The distribution's package would start
# the server by being installed: only the programs are taken out.
setup_prometheus() {
  [[ -z ${RESNETD_SKIP_SETUP:-} ]] || return 0
  [[ ! -x .deps/promtool/promtool || ! -x .deps/promtool/prometheus ]] || return 0
  step "prometheus and promtool into .deps/promtool (19 MB to fetch)" \
    quietly fetch_prometheus
}

# download_prometheus FOLDER: promtool is a package of its own from Debian 13 on;
# before, a part of the server's.
download_prometheus() {
  local packages=(prometheus)
  [[ -z $(apt-cache madison promtool 2>/dev/null) ]] || packages+=(promtool)
  # -o: without it apt wants to become a user who may not write there.
  (cd "$1" && apt-get download -o APT::Sandbox::User=root "${packages[@]}")
}

fetch_prometheus() {
  local part package
  part=$(mktemp -d)
  mkdir -p .deps/promtool
  if ! download_prometheus "$part"; then
    as_root apt-get update -q
    download_prometheus "$part" || return 1
  fi
  for package in "$part"/*.deb; do
    dpkg-deb -x "$package" "$part/files" || return 1
  done
  mv "$part"/files/usr/bin/{promtool,prometheus} .deps/promtool/ || return 1
  rm -rf "$part"
}

# setup_torch slim|cuda|none. A fuller set already there serves a smaller wish.
setup_torch() {
  [[ $1 != none && -z ${RESNETD_SKIP_SETUP:-} ]] || return 0
  if [[ -n ${LIBTORCH_ROOT:-} ]]; then
    local inner
    for inner in '' /torch /libtorch; do
      [[ ! -f $LIBTORCH_ROOT$inner/lib/libtorch_cpu.so ]] || return 0
    done
    die "LIBTORCH_ROOT is set to '$LIBTORCH_ROOT', but there is no" \
      "lib/libtorch_cpu.so in it; name the folder 'torch' of a wheel or an" \
      "unpacked libtorch, or unset it"
  fi
  ! stamp_is .deps/torch "${torch_cuda[*]}" || return 0
  if [[ $1 == cuda ]]; then
    step "LibTorch with CUDA into .deps/torch (4.6 GB; 2 to 10 minutes)" \
      pip_into .deps/torch "${torch_cuda[@]}"
    echo "${torch_cuda[*]}" >.deps/torch/.stamp
    return 0
  fi
  ! stamp_is .deps/torch "${torch_slim[*]}" || return 0
  step "LibTorch into .deps/torch (1.3 GB; half a minute to 5 minutes)" \
    pip_into .deps/torch --no-deps "${torch_slim[@]}"
  echo "${torch_slim[*]}" >.deps/torch/.stamp
}
