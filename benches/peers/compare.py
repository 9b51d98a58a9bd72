"""Milliseconds a training step beside PyTorch's, alternating so that both meet the same machine.

    cargo build --release
    python benches/peers/compare.py [ROUNDS]

Needs a Python with torch (`pip install torch`). One thread each. Ours is the whole program, gathering and metrics
included: the median over epochs of `timing.csv`, divided by the steps of an epoch. Prints every round, the
medians and the ratios.
"""

import csv
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
RUNNER = HERE.parent.parent / "target" / "release" / "runner"
STEPS_AN_EPOCH, EPOCHS = 32, 8

EXPERIMENT = f"""
name = "peer"
data = {{ source = "synthetic", samples = {256 * STEPS_AN_EPOCH}, split = {{ train = 1.0 }} }}
model = {{ kind = "mlp" }}
train = {{ epochs = {EPOCHS} }}
device = "cpu"
"""


def ours():
    with tempfile.TemporaryDirectory() as folder:
        experiment = pathlib.Path(folder) / "peer.toml"
        experiment.write_text(EXPERIMENT)
        command = [RUNNER, "run", experiment, "--jobs", "1", "--quiet", "--runs", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (timing,) = pathlib.Path(folder).glob("peer/*/timing.csv")
        with timing.open() as file:
            seconds = [float(row["train_seconds"]) for row in csv.DictReader(file)]
    return 1000 * statistics.median(seconds) / STEPS_AN_EPOCH


def pytorch(*flags):
    command = [sys.executable, HERE / "mlp.py", str(STEPS_AN_EPOCH * EPOCHS), *flags]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    peers = {"runner": ours, "PyTorch": pytorch, "PyTorch, fused Adam": lambda: pytorch("--fused")}
    measured = {name: [] for name in peers}
    for number in range(1, rounds + 1):
        for name, measure in peers.items():
            measured[name].append(measure())
        print(f"round {number}: " + ", ".join(f"{name} {times[-1]:.1f} ms" for name, times in measured.items()))
    medians = {name: statistics.median(times) for name, times in measured.items()}
    for name, median in medians.items():
        print(f"{name:20} {median:6.1f} ms a step   ours / theirs {medians['runner'] / median:.2f}")


if __name__ == "__main__":
    main()
