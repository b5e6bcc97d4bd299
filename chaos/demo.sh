#!/usr/bin/env bash
# Starts the server: with the manifests given, or with 30 simulated cameras when there are none.
# Usage: chaos/demo.sh MANIFESTS DATA_DIR (MANIFESTS may be empty). Ends both on Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."
manifests=${1:-}
data=${2:-data}

if [ -n "$manifests" ]; then
  exec target/release/camserver run -f "$manifests" --data-dir "$data"
fi

pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
}
trap finish EXIT
trap 'exit 0' INT TERM

# Waits until somebody listens at a local port, as long as the process lives.
listening() {
  for _ in $(seq 300); do
    kill -0 "$2" 2>/dev/null || { wait "$2"; exit 1; }
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.2
  done
  echo "nobody listens at port $1 after a minute" >&2
  exit 1
}

# The manifests are manifests/demo; the simulator stands at the addresses that are written there.
echo "starting 30 simulated cameras (the first start encodes their pictures)"
target/release/camsim --cameras 30 --first 127.125.0.11 --port 10554 --control 127.0.0.1:9554 \
  --limit 2 --codec mixed --auth digest --user admin --password camsim &
pids+=($!)
listening 9554 $!

target/release/camserver run -f manifests/demo --data-dir "$data/demo" &
pids+=($!)
listening 8080 $!
printf '\n  The wall is at http://127.0.0.1:8080 (Ctrl-C ends everything)\n\n'
wait $!
