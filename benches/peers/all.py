"""Everything that is compared with PyTorch, Hydra and scikit-learn, as one report in Markdown on standard output.

    python benches/peers/all.py [--rounds N] [PART ...]

Progress, and how long it will take, go to standard error. Nothing else should run on the machine.
"""

import argparse
import datetime
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import sys
from typing import NamedTuple

import measure
import ours
import peers

# Above this, something else takes the machine's time.
BUSY = 0.3
PEERS = ["torch", "scikit-learn", "hydra-core", "joblib", "numpy"]


class Part(NamedTuple):
    """A script with its arguments; rounds as it has them by itself, and about the seconds that one takes."""

    script: str
    arguments: list
    rounds: int
    seconds: int


PARTS = {
    "steps": Part("steps.py", [], 3, 130),
    "steps-two-threads": Part("steps.py", ["--threads", "2", "mlp_batch_norm", "mlp_dropout"], 3, 30),
    "side-by-side": Part("side_by_side.py", [], 3, 35),
    "predict": Part("predict.py", [], 5, 30),
    "sweep": Part("sweep.py", [], 3, 45),
    "memory": Part("memory.py", [], 3, 25),
    "startup": Part("startup.py", [], 20, 3),
    "scaling": Part("scaling.py", [], 3, 20),
}


def cpu():
    info = pathlib.Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def commit():
    """The commit that the sources stand at; nothing says that the build is of it but that nobody forgot to build."""
    asked = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ours.ROOT, capture_output=True, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else "unknown"


def head():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    version = measure.run(ours.RUNNER, "--version").output.strip()
    build = measure.run(sys.executable, "-c", "import torch; print(torch.version.cuda or 'none')").output.strip()
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PEERS)
    return "\n".join(
        [
            "## Beside PyTorch, Hydra and scikit-learn",
            "",
            f"- date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
            f"- machine: {cpu()}, {cores} cores, {platform.system()} {platform.machine()}; load at the start {os.getloadavg()[0]:.2f}",
            f"- ours: {version}, commit {commit()}",
            f"- peers: Python {platform.python_version()}, {packages}; CUDA in PyTorch's build: {build}",
            "",
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; all, if none is named")
    parser.add_argument("--rounds", type=int, help="of every part, in the place of its own number")
    chosen = parser.parse_args()
    unknown = [part for part in chosen.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    parts = {name: PARTS[name] for name in chosen.parts or PARTS}
    rounds = {name: chosen.rounds or part.rounds for name, part in parts.items()}
    minutes = sum(rounds[name] * part.seconds for name, part in parts.items()) / 60
    print(f"this takes about {minutes:.0f} minutes", file=sys.stderr)
    if os.getloadavg()[0] > BUSY:
        print("something else runs on this machine: the figures will not be worth much", file=sys.stderr)
    print(head(), flush=True)
    failed = []
    for name, part in parts.items():
        print(f"{datetime.datetime.now():%H:%M} {name}", file=sys.stderr, flush=True)
        if subprocess.run(peers.script(part.script, "--rounds", rounds[name], *part.arguments)).returncode != 0:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
