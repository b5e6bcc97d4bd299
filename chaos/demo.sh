#!/usr/bin/env bash
# Starts the server: with the manifests given, or with 30 simulated cameras when there are none.
# Usage: chaos/demo.sh MANIFESTS DATA_DIR (either may be empty). Ends both on Ctrl-C.
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

# Settings from manifests/demo, cameras from the simulator at the addresses that stand there.
target/release/camsim --cameras 30 --first 127.125.0.11 --port 10554 --control 127.0.0.1:9554 \
  --limit 2 --codec mixed --auth digest --user admin --password camsim &
pids+=($!)
target/release/camserver run -f manifests/demo --data-dir "$data/demo" &
pids+=($!)
server=$!

for _ in $(seq 300); do
  if ! kill -0 "$server" 2>/dev/null; then
    wait "$server"
  fi
  if (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; then
    printf '\n  30 simulated cameras are running.\n  The wall is at http://127.0.0.1:8080 (Ctrl-C ends everything)\n\n'
    break
  fi
  sleep 0.2
done
wait "$server"
