#!/usr/bin/env bash
# Builds the CUDA trainer, tests it on the GPU and prints a table of what was found; under 8 minutes on one GPU.
# Needs nvcc, g++ and a python3 with numpy and torch. What is missing is said in the table, and the rest is checked.
# The table also goes to cuda/build/cuda-results.md. Exit status: 0 when nothing that could be checked failed.
set -u
cd "$(dirname "$0")" || exit 2
PYTHON=${PYTHON:-python3}
for tool in "$PYTHON" make g++; do
  command -v "$tool" >/dev/null || { echo "check_gpu: $tool is missing; nothing can be checked" >&2; exit 2; }
done
"$PYTHON" -c 'import numpy' 2>/dev/null || { echo "check_gpu: $PYTHON has no numpy; nothing can be checked" >&2; exit 2; }
exec "$PYTHON" check_gpu.py "$@"
