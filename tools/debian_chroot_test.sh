#!/usr/bin/env bash
# Proves that a bare Debian needs nothing but ./dev: bootstraps one into a
# folder, clones this repository into it, runs commands there.
#
# usage: tools/debian_chroot_test.sh [--suite trixie|bookworm] [--root FOLDER]
#                                    [--keep] [COMMAND...]
#   COMMAND    words after ./dev, one argument each command; default: the demo
#              twice (the second time nothing must be installed), then test
#   --root     where the Debian lives, default /var/tmp/resnetd-SUITE; kept and
#              used again, so that a second run is about the commands alone
#   --keep     brings the clone of a former run up to date, with what was
#              built in it, instead of cloning afresh
#
# Needs root (chroot, mount) and the package debootstrap. Tests what is
# committed, not the working tree.
set -euo pipefail

suite=trixie root='' keep='' commands=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --suite) suite=$2 && shift 2 ;;
    --root) root=$2 && shift 2 ;;
    --keep) keep=1 && shift ;;
    --help | -h) sed -n '2,/^set -/s/^# \{0,1\}//p' "$0" && exit ;;
    -*) echo "error: no option $1" >&2 && exit 2 ;;
    *) commands+=("$1") && shift ;;
  esac
done
[[ ${#commands[@]} -gt 0 ]] || commands=(demo demo test)
: "${root:=/var/tmp/resnetd-$suite}"
source_tree=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# DEBIAN_MIRROR, else debootstrap's own choice.
mirror=()
[[ -z ${DEBIAN_MIRROR:-} ]] || mirror=("$DEBIAN_MIRROR")
readonly mirror

[[ $EUID -eq 0 ]] || { echo "error: needs root, for chroot and mount" >&2; exit 1; }
command -v debootstrap >/dev/null ||
  { echo "error: install the package debootstrap first" >&2; exit 1; }

unmount() {
  local point
  for point in dev/pts dev proc sys; do
    ! mountpoint -q "$root/$point" || umount "$root/$point"
  done
}

if [[ ! -f $root/.complete ]]; then
  echo "==> bootstrap $suite into $root (2 minutes, 400 MB)"
  debootstrap --variant=minbase "$suite" "$root" "${mirror[@]}" >/dev/null
  touch "$root/.complete"
fi
trap unmount EXIT
mkdir -p "$root"/{proc,sys,dev/pts,src}
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
mountpoint -q "$root/sys" || mount -t sysfs -o ro sysfs "$root/sys"
mountpoint -q "$root/dev" || mount --bind /dev "$root/dev"
mountpoint -q "$root/dev/pts" || mount --bind /dev/pts "$root/dev/pts"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# A registry that is reached through a certificate of the host's own.
if [[ -n ${PIP_CERT:-} && -f $PIP_CERT ]]; then
  mkdir -p "$root/etc/ssl/host"
  cp "$PIP_CERT" "$root/etc/ssl/host/certificates.pem"
fi

if [[ -n $keep && -d $root/src/resnetd ]]; then
  git -C "$root/src/resnetd" fetch -q "$source_tree" HEAD
  git -C "$root/src/resnetd" reset -q --hard FETCH_HEAD
else
  rm -rf "$root/src/resnetd"
  git clone -q --no-hardlinks "$source_tree" "$root/src/resnetd"
fi

for command in "${commands[@]}"; do
  echo "==> $suite: ./dev $command"
  start=$SECONDS
  # env -i: nothing of the host helps, but what names its network.
  # shellcheck disable=SC2086  # a command is words
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LANG=C.UTF-8 \
    ${PIP_CERT:+PIP_CERT=/etc/ssl/host/certificates.pem} \
    ${http_proxy:+http_proxy=$http_proxy} \
    ${https_proxy:+https_proxy=$https_proxy} \
    ${RESNETD_JOBS:+RESNETD_JOBS=$RESNETD_JOBS} \
    chroot "$root" /bin/bash -c "cd /src/resnetd && ./dev $command"
  echo "==> $suite: ./dev $command took $((SECONDS - start)) s"
done
