#!/bin/sh
# Makes the virtual environment of the comparisons in target/peers, from PyPI.
#
#     benches/peers/environment.sh [PIP OPTIONS]
#
# On Linux, PyPI's PyTorch is the build with CUDA: some 3 GB, which import more slowly and need more memory than a
# build for the CPU alone. Whoever has an index of such builds names it as an option for pip (`--index-url URL`); the
# reports say which build they measured.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
environment="$root/target/peers"
python="${PYTHON:-python3}"

"$python" -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --requirement "$root/benches/peers/requirements.txt" "$@"
"$environment/bin/python" -c 'import torch; print("PyTorch", torch.__version__, "with CUDA", torch.version.cuda)'
cat <<END
Ready. Go on with:
    cargo build --release
    target/peers/bin/python benches/peers/all.py
END
