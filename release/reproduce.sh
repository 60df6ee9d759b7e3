#!/usr/bin/env bash
# Builds the sdist and the wheel of the last commit twice, from two clones in different folders, under different umasks, time
# zones and locales, and compares them byte for byte.
#
#   release/reproduce.sh [OUT]
#
# PYTHON is the interpreter with `build` (default: python); further words for `python -m build` go into BUILD, such as
# --no-isolation. The archives of the first build stay in OUT (default: dist). Exits with 1 where a byte differs.
set -euo pipefail

repository=$(git rev-parse --show-toplevel)
out=$(realpath -m "${1:-dist}")
python=${PYTHON:-python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() {  # build FOLDER UMASK TZ LOCALE: archives in FOLDER/dist
  (
    umask "$2"
    git clone --quiet --no-local "$repository" "$1"
    cd "$1"
    # shellcheck disable=SC2086
    env -u SOURCE_DATE_EPOCH TZ="$3" LC_ALL="$4" "$python" -m build ${BUILD:-} --outdir dist . >build.log 2>&1 || {
      tail -n 30 build.log
      exit 1
    }
  )
}

build "$work/first" 022 UTC C
build "$work/and/the/second one" 077 Asia/Kolkata C.UTF-8
same=0
for first in "$work"/first/dist/*; do
  name=$(basename "$first")
  digest=$(sha256sum <"$first" | cut -d ' ' -f 1)
  if cmp --silent "$first" "$work/and/the/second one/dist/$name"; then
    echo "equal    $digest  $name ($(wc -c <"$first") bytes)"
  else
    echo "DIFFERS  $name"
    same=1
  fi
done
mkdir -p "$out"
cp "$work"/first/dist/* "$out"
exit $same
