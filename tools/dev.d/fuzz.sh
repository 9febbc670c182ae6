# shellcheck shell=bash
# ./dev fuzz: the libFuzzer targets of tests/fuzz. Sourced.

readonly fuzz_targets=(safetensors pth pickle manifest)
# What one run without a number does: 1 to 10 minutes.
readonly fuzz_runs=1000000
# What ./dev test long does with each: seconds.
readonly fuzz_short_runs=20000

# fuzz_one TARGET RUNS: from the seeds and what earlier runs found. Inputs that
# break something are kept in build/fuzz/findings.
fuzz_one() {
  local target=$1 runs=$2 folder=build/fuzz dictionary=()
  [[ ! -f tests/fuzz/$target.dict ]] || dictionary=("-dict=tests/fuzz/$target.dict")
  [[ $target != pth ]] || dictionary=(-dict=tests/fuzz/pickle.dict)
  mkdir -p "$folder/corpus/$target" "$folder/findings"
  /usr/bin/python3 -B tests/fuzz/make_seeds.py "$folder/seeds" ||
    die "the seeds could not be made"
  say "fuzz $target: $runs runs"
  "$folder/bin/fuzz_$target" -runs="$runs" -max_len=4096 -timeout=20 \
    -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
    -artifact_prefix="$folder/findings/$target-" "${dictionary[@]}" \
    "$folder/corpus/$target" "$folder/seeds/$target"
}

run_fuzz() {
  [[ $# -ge 1 && $# -le 2 ]] || usage_error "fuzz takes a target and a number" \
    "of runs; there are: ${fuzz_targets[*]}"
  local target=$1 runs=${2:-$fuzz_runs}
  is_one_of "$target" "${fuzz_targets[@]}" ||
    usage_error "no fuzz target '$target'; there are: ${fuzz_targets[*]}"
  [[ $runs =~ ^[1-9][0-9]*$ ]] || usage_error "'$runs' is no number of runs"
  setup_packages all
  build_targets fuzz "fuzz_$target"
  fuzz_one "$target" "$runs" ||
    die "fuzz $target found something; the input is in build/fuzz/findings"
  say "fuzz $target: nothing found"
}

# Every target that ./dev fuzz has built, for a short time.
fuzz_what_is_built() {
  local target
  for target in "${fuzz_targets[@]}"; do
    [[ ! -x build/fuzz/bin/fuzz_$target ]] || run_fuzz "$target" "$fuzz_short_runs"
  done
}
