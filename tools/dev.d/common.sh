# shellcheck shell=bash
# What every command of ./dev uses: messages, timing, small helpers. Sourced.

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' red='' plain=''
fi

say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }
warn() { printf '%swarning:%s %s\n' "$red" "$plain" "$*" >&2; }
die() {
  printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2
  exit 1
}
usage_error() {
  printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2
  exit 2
}

# clock SECONDS: 75 -> 1 min 15 s
clock() {
  if (($1 >= 60)); then
    echo "$(($1 / 60)) min $(($1 % 60)) s"
  else
    echo "$1 s"
  fi
}

# step TITLE COMMAND...: runs it and says how long it took.
step() {
  local title=$1 start=$SECONDS
  shift
  say "$title"
  "$@" || die "$title failed (after $(clock $((SECONDS - start))))"
  say "  done in $(clock $((SECONDS - start)))"
}

is_one_of() {
  local wanted=$1 item
  shift
  for item in "$@"; do
    [[ $item != "$wanted" ]] || return 0
  done
  return 1
}

# nearest WORD CANDIDATE...: the candidate with the fewest edits to WORD.
nearest() {
  local word=$1
  shift
  printf '%s\n' "$@" | awk -v a="$word" '
    function least(x, y) { return x < y ? x : y }
    function edits(a, b,    i, j, d) {
      for (i = 0; i <= length(a); ++i) d[i, 0] = i
      for (j = 0; j <= length(b); ++j) d[0, j] = j
      for (i = 1; i <= length(a); ++i)
        for (j = 1; j <= length(b); ++j)
          d[i, j] = least(least(d[i - 1, j], d[i, j - 1]) + 1,
            d[i - 1, j - 1] + (substr(a, i, 1) != substr(b, j, 1)))
      return d[length(a), length(b)]
    }
    { e = edits(a, $0); if (NR == 1 || e < best) { best = e; name = $0 } }
    END { print name }'
}

# jobs: compilers at a time. One needs up to 2 GB with LibTorch's headers.
jobs() {
  if [[ -n ${RESNETD_JOBS:-} ]]; then
    echo "$RESNETD_JOBS"
    return
  fi
  local cores gigabytes
  cores=$(nproc)
  gigabytes=$(awk '/^MemTotal/ {print int($2 / 1000000)}' /proc/meminfo)
  local by_memory=$((gigabytes / 2))
  ((by_memory >= 1)) || by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}

# configure PRESET: quiet when it works; everything cmake said when not.
configure() {
  local log="build/$1.configure.log"
  mkdir -p build
  if ! cmake --preset "$1" >"$log" 2>&1; then
    cat "$log" >&2
    die "cmake --preset $1 failed; is something missing? try ./dev setup"
  fi
}
