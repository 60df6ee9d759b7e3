#!/usr/bin/env bash
# Installs a wheel into a new virtual environment of every Python named, and sees that it works as a user has it: without
# compilers, without nvcc, with an empty PATH and, where Linux allows it, without a network.
#
#   release/check_wheel.sh WHEEL PYTHON...
#
# INSTALL is the command that installs into the environment at $VENV (default: its own pip). FULL=1 also compares every
# kernel with the reference at length (half a minute). Exits with 1 at the first thing that fails.
set -euo pipefail

wheel=$(realpath "$1")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/nothing" "$work/home"

offline=()
if unshare --net --map-root-user true 2>/dev/null; then
  offline=(unshare --net --map-root-user)
elif unshare --net true 2>/dev/null; then
  offline=(unshare --net)
fi

alone() {  # alone COMMAND...: no variables of this shell, nothing on the path, no network
  (cd "$work/home" && ${offline[@]+"${offline[@]}"} "$(command -v env)" -i HOME="$work/home" PATH="$work/nothing" "$@")
}

now() { "$VENV/bin/python" -c 'import time; print(time.time())'; }

since() { "$VENV/bin/python" -c "import time; print(f'{time.time() - $1:.1f}')"; }

echo "$(basename "$wheel"): $(wc -c <"$wheel") bytes"
for python in "$@"; do
  export VENV="$work/venv"
  rm -rf "$VENV"
  "$python" -m venv "$VENV"
  start=$(now)
  # shellcheck disable=SC2086
  ${INSTALL:-"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check} "$wheel"
  installed=$(since "$start")
  alone "$VENV/bin/python" - "$wheel" <<'END'
import json
import shutil
import sys
from pathlib import Path

import hiergeo

tools = [name for name in ("cc", "gcc", "g++", "c++", "clang", "clang++", "nvcc") if shutil.which(name)]
assert not tools, f"compilers are on the path: {tools}"
package = Path(hiergeo.__file__).parent
assert Path(sys.prefix) in package.parents, package
record = json.loads((package / "_build.json").read_text())
native = not sys.argv[1].endswith("-py3-none-any.whl")
assert record["native"] is native, record
facts = hiergeo.pairwise.kernel_info()
assert (facts["kernels"] == "native") is native, facts
print(f"Python {sys.version.split()[0]}, hiergeo {hiergeo.__version__}, kernels: {facts['kernels']}")
END
  if [ "${FULL:-0}" = 1 ] && [[ "$wheel" != *-py3-none-any.whl ]]; then
    start=$(now)
    alone "$VENV/bin/hiergeo" info --check >"$work/check.txt" || { cat "$work/check.txt"; exit 1; }
    echo "  info --check in $(since "$start") s"
  fi
  start=$(now)
  alone "$VENV/bin/hiergeo" demo --no-open --html demo.html --json demo.json >"$work/demo.txt" 2>&1 || {
    cat "$work/demo.txt"
    exit 1
  }
  test -s "$work/home/demo.html"
  echo "  installed in $installed s, hiergeo demo in $(since "$start") s"
done
