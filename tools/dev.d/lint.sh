# shellcheck shell=bash
# ./dev lint and ./dev format. Sourced.

readonly python=/usr/bin/python3
failed_checks=()

# check NAME COMMAND...: runs it; the list at the end says which failed.
check() {
  local name=$1 start=$SECONDS
  shift
  if "$@"; then
    printf '  ok    %s (%s s)\n' "$name" "$((SECONDS - start))"
  else
    printf '  %sFAIL%s  %s\n' "$red" "$plain" "$name"
    failed_checks+=("$name")
  fi
}

# lint_tool NAME: the pinned one, else the one on PATH.
lint_tool() {
  local path
  for path in ".deps/lint/bin/$1" ".deps/lint/${1//-/_}/data/bin/$1"; do
    # The first is a Python wrapper where the second exists.
    if [[ -x $path && ! -d .deps/lint/${1//-/_}/data ]] ||
      [[ -x $path && $path == */data/* ]]; then
      echo "$root/$path"
      return
    fi
  done
  command -v "$1" || die "$1 is missing; ./dev setup installs it"
}

# Ours and tracked or new, never built or downloaded.
list_sources() {
  git ls-files --cached --others --exclude-standard -- "$@" | sort -u |
    while IFS= read -r file; do [[ ! -f $file ]] || echo "$file"; done
}

lint_format() {
  local found
  found=$(list_sources '*.cc' '*.h' |
    xargs -r "$(lint_tool clang-format)" --dry-run 2>&1 |
    grep -oE '^[^ :]+:[0-9]+' | sort -t: -k1,1 -k2,2n | sort -t: -u -k1,1)
  [[ -z $found ]] || {
    echo "not formatted from these lines on; ./dev format does it:"
    echo "$found"
    return 1
  }
}

lint_shell() {
  # -a: the sourced parts of ./dev are checked with it, not alone.
  { echo dev; list_sources '.ci/run' '*.sh' | grep -v '^tools/dev.d/'; } |
    xargs shellcheck -x -a
}

lint_protos() {
  local buf
  buf=$(lint_tool buf)
  "$buf" lint &&
    "$buf" format --diff --exit-code proto --path proto/resnetd
}

# Every header compiles alone.
lint_headers() {
  quietly cmake --build --preset dev --parallel "$(jobs)" \
    --target all_verify_interface_header_sets
}

# lint_tidy cached|scratch: clang-tidy wants the compile commands and the
# generated headers of a build. All of them from nothing take 45 minutes on two
# cores: what changed last comes first, for ten minutes.
lint_tidy() {
  local arguments=(--minutes 10)
  [[ $1 != scratch ]] || arguments=(--no-cache --tests --analyzer)
  quietly cmake --build --preset dev --parallel "$(jobs)" \
    --target resnetd_proto || return 1
  "$python" tests/lint/run_tidy.py --jobs "$(jobs)" "${arguments[@]}"
}

# run_lint cached|scratch|none
run_lint() {
  local start=$SECONDS script
  setup_packages all
  setup_lint_tools
  setup_prometheus
  setup_deploy_tools
  [[ $1 == none ]] || setup_torch slim
  say "lint"
  for script in tests/lint/check_*.py; do
    check "$(basename "$script" .py)" "$python" -B "$script" .
  done
  check lint_selftests quietly "$python" -B -m unittest discover -q -s tests/lint \
    -p '*_test.py'
  check clang-format lint_format
  check shellcheck lint_shell
  check "buf lint, buf format" lint_protos
  if [[ $1 != none ]]; then
    configure dev
    check "headers compile alone" lint_headers
    check clang-tidy lint_tidy "$1"
  fi
  if [[ ${#failed_checks[@]} -gt 0 ]]; then
    die "lint failed: ${failed_checks[*]} ($(clock $((SECONDS - start))))"
  fi
  say "lint is clean ($(clock $((SECONDS - start))))"
}

run_format() {
  setup_packages all
  setup_lint_tools
  list_sources '*.cc' '*.h' | xargs -r "$(lint_tool clang-format)" -i
  "$(lint_tool buf)" format -w proto --path proto/resnetd
  say "formatted"
}
