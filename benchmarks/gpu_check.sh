#!/usr/bin/env bash
# Builds the CUDA kernels, tests them, runs compute-sanitizer over them and times them, in one go and without a network.
# Needs a GPU, nvcc and torch with CUDA; Python packages that are missing are taken from the folder WHEELS.
# Prints one line a step as it goes, the timings last, and exits with 1 where a step failed. Logs are in build/gpu_check.
set -u
cd "$(dirname "$0")/.."
logs=build/gpu_check
mkdir -p "$logs"
export PYTHONPATH="$PWD" OMP_NUM_THREADS=4
python=${PYTHON:-python}
failed=0

step() {  # step NAME SECONDS COMMAND...
  local name=$1 limit=$2 start=$SECONDS
  shift 2
  if timeout "$limit" "$@" >"$logs/$name.log" 2>&1; then
    echo "ok      $name ($((SECONDS - start)) s)"
  else
    failed=1
    echo "FAILED  $name ($((SECONDS - start)) s), see $logs/$name.log:"
    grep -E "error|Error|ERROR|FAILED" "$logs/$name.log" | tail -n 15 || true
    tail -n 5 "$logs/$name.log"
  fi
}

sanitize() {  # sanitize TOOL
  compute-sanitizer --tool "$1" --kernel-name kns=_ZN7hiergeo --error-exitcode 9 "$python" -m benchmarks.gpu_tour
}

missing=$("$python" - <<'END'
from importlib.util import find_spec
wanted = "hypothesis mpmath numpy pytest rich safetensors setuptools typer"
print(*(name for name in wanted.split() if not find_spec(name)))
END
)
if [ -n "$missing" ]; then
  # shellcheck disable=SC2086
  step packages 60 "$python" -m pip install --quiet --no-index --find-links "${WHEELS:-wheels}" $missing
fi
nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader

step build 200 env HIERGEO_NATIVE=1 HIERGEO_CUDA=1 "$python" setup.py build_ext --inplace
export HIERGEO_NATIVE=1
step check 120 "$python" -m hiergeo info --check
step tests 200 "$python" -m pytest -q -p no:cacheprovider tests/pairwise/test_native_cuda*.py tests/pairwise/test_cuda_accuracy.py
if command -v compute-sanitizer >/dev/null; then
  export -f sanitize
  export python
  PYTORCH_NO_CUDA_MEMORY_CACHING=1 step memcheck 60 bash -c "sanitize memcheck"
  step racecheck 60 bash -c "sanitize racecheck"
else
  failed=1
  echo "FAILED  compute-sanitizer is not on the path"
fi
step timings 90 "$python" -m benchmarks.gpu --json "$logs/timings.json"
echo
cat "$logs/timings.log"
exit $failed
