#!/usr/bin/env bash
# Make one environment for each TWS client library that is tested against the paper exchange, under build/clients/.
# They cannot share one: ib_async and ib_insync bring the same top-level package, ibapi comes in two ages.
# A second run does only what is missing.
# usage: scripts/clients.sh
set -euo pipefail
cd "$(dirname "$0")/.."
folder=build/clients
mkdir -p "$folder"
exec 8>"$folder/.lock"
flock 8

make_environment() { # make_environment NAME REQUIREMENT...
  local name=$1 made
  shift
  made=$folder/$name/.made
  [ "$(cat "$made" 2>/dev/null)" = "$*" ] && return
  rm -rf "${folder:?}/$name"
  .venv/bin/uv venv -q --python .venv/bin/python "$folder/$name"
  .venv/bin/uv pip install -q --python "$folder/$name/bin/python" "$@"
  printf '%s' "$*" >"$made"
}

make_environment ib_async ib_async==2.1.0 aeventkit==2.1.0 nest_asyncio==1.6.0 tzdata==2025.2
make_environment ib_insync ib_insync==0.9.86 eventkit==1.0.3 nest_asyncio==1.6.0 numpy==2.2.6
make_environment ibapi ibapi==9.81.1.post1
make_environment nautilus_ibapi nautilus-ibapi==10.46.1 protobuf==6.31.1
