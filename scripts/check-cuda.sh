#!/bin/bash
# Type-checks the code behind the `cuda` feature on a machine without CUDA.
#
# A stand-in for nvcc (check-only/nvcc) satisfies the build scripts; no kernel is compiled, so this proves
# that the gated Rust compiles and nothing more. The results lie apart from those of real builds.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/scripts/check-only:$PATH CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-90} \
  cargo clippy --quiet --features cuda --lib --bins --target-dir target/cuda-check "$@" -- -D warnings
