# shellcheck shell=bash
# ./dev demo: from nothing to a classified picture; to a model that has learned
# something new; to the models that ship. Sourced.

demo_server='' demo_dir=''

# Whatever ends the demo, its server and its files go with it.
clean_up_demo() {
  if [[ -n $demo_server ]]; then
    kill -TERM "$demo_server" 2>/dev/null || true
    wait "$demo_server" 2>/dev/null || true
  fi
  [[ -z $demo_dir ]] || rm -rf "$demo_dir"
}

# port_of NAME: from the file that the server writes once it is ready.
port_of() {
  sed -nE "s/.*\"$1\": *([0-9]+).*/\1/p" <(tr -d '\n' <"$demo_dir/ports.json")
}

# Ready within 30 s, or the log on the screen. The demo model loads in well
# under one second; the rest is patience with a busy machine.
wait_until_ready() {
  local tick
  for ((tick = 0; tick < 600; ++tick)); do
    [[ ! -s $demo_dir/ports.json ]] || return 0
    kill -0 "$demo_server" 2>/dev/null || break
    sleep 0.05
  done
  cat "$demo_dir/server.log" >&2
  die "the server did not get ready; its log is above"
}

run_demo() {
  local pictures=(demo/digit-3.png demo/digit-7.jpg demo/digit-5.webp)
  local grpc http bin=build/release/bin
  setup_packages demo
  build_targets release resnetd resnetctl

  demo_dir=$(mktemp -d)
  trap clean_up_demo EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  say "start the server on free ports, with the demo model"
  "$bin/resnetd" --listen 127.0.0.1:0 \
    --http-listen 127.0.0.1:0 --port-file "$demo_dir/ports.json" \
    >"$demo_dir/server.log" 2>&1 &
  demo_server=$!
  wait_until_ready
  grpc=$(port_of grpc) http=$(port_of http)
  say "ready: gRPC on 127.0.0.1:$grpc, http://127.0.0.1:$http/metrics"

  say "classify ${#pictures[@]} pictures of handwritten digits"
  "$bin/resnetctl" --server "127.0.0.1:$grpc" classify -k 3 "${pictures[@]}" ||
    die "resnetctl classify failed; the server said: $(tail -n 5 \
      "$demo_dir/server.log")"
  cat <<TEXT

${bold}It works. What next:${plain}
  ./dev run                                  a server that stays, on port 8001
  $bin/resnetctl classify ${pictures[0]}
                                             in a second terminal; or your own picture
  ./dev demo --train                         teach a model two more digits while it serves
  ./dev test                                 build and run the whole test-suite
TEXT
}

# build_trainer: everything that fine-tunes.
build_trainer() {
  setup_packages all
  setup_torch slim
  build_targets release resnetd resnetctl resnetd_torch
}

run_training_demo() {
  build_trainer
  /usr/bin/python3 -B tools/demo_train.py build/release/bin
  cat <<TEXT

${bold}It learned. What next:${plain}
  ./dev run --data-dir my-models             a server that keeps what it learns, on port 8001
  build/release/bin/resnetctl train start --data photos -m MODEL --watch
                                             your own pictures, a folder for each class
  docs/finetuning.md                         what is chosen, what the gate asks
TEXT
}

train_demo_models() {
  build_trainer
  say "train what ships in models/ with the server's own trainer"
  /usr/bin/python3 -B tools/demo_models.py build/release/bin models
}
