"""The sweep of 24 runs on digits as a whole process, beside Hydra with PyTorch and joblib with scikit-learn.

    python benches/peers/sweep.py [--rounds N]
"""

import argparse
import json
import pathlib
import statistics
import tempfile

import measure
import ours
import peers

SWEEP = ours.ROOT / "experiments" / "dropout_sweep.toml"
AXES = ["dropout=0.0,0.1,0.3,0.5", "lr=1e-3,3e-3", "seed=42,43,44"]
TWO_JOBS = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


def ours_with(jobs):
    """Seconds, and the best validation accuracy of each run."""
    with ours.trained(SWEEP.read_text(), "--device", "cpu", "--jobs", str(jobs)) as found:
        return found.ended.seconds, [record["best"]["valid_accuracy"] for record in found.records()]


def hydra(*launcher):
    with tempfile.TemporaryDirectory() as folder:
        ended = peers.run("hydra_digits.py", "--multirun", *AXES, f"hydra.sweep.dir={folder}", *launcher)
        results = [json.loads(path.read_text()) for path in pathlib.Path(folder).glob("*/result.json")]
    return ended.seconds, [result["best"]["valid_accuracy"] for result in results]


def scikit_learn():
    ended = peers.run("sklearn_digits.py", "--jobs", 2)
    return ended.seconds, json.loads(ended.output)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    sides = {
        "ours, two runs at once": lambda: ours_with(2),
        "ours, one after the other": lambda: ours_with(1),
        "Hydra, PyTorch": hydra,
        "Hydra, PyTorch, joblib with two jobs": lambda: hydra(*TWO_JOBS),
        "scikit-learn, joblib with two jobs": scikit_learn,
    }
    found = measure.alternate(chosen.rounds, **sides)
    seconds = {name: statistics.median(taken for taken, _ in rounds) for name, rounds in found.items()}
    ours_two, ours_one, *_ = seconds.values()
    rows = []
    for name, rounds in found.items():
        _, accuracies = rounds[-1]
        times = [f"{seconds[name]:.2f}", f"{seconds[name] / ours_two:.1f}", f"{seconds[name] / ours_one:.1f}"]
        rows.append([name, *times, len(accuracies), f"{max(accuracies):.3f}", f"{statistics.mean(accuracies):.3f}"])
    measure.table(
        "24 runs on digits, 20 epochs each, the whole process",
        ["", "seconds", "/ ours, two at once", "/ ours, one by one", "runs", "best accuracy", "mean accuracy"],
        rows,
        f"Accuracies are those of the validation part, at the best epoch (scikit-learn: the last). Medians of {chosen.rounds} "
        "alternating rounds.",
    )


if __name__ == "__main__":
    main()
