"""From the start of the process to its help, to an empty list, and to the first training step.

    python benches/peers/startup.py [--rounds N]
"""

import argparse
import pathlib
import shutil
import tempfile
import time

import measure
import ours
import peers

# Steps are written as they are taken, so the first one's row shows when it was.
EXPERIMENT = """
data = { source = 'digits' }
model = { kind = 'mlp' }
train = { epochs = 1, batch_size = 32, log_every = 1 }
"""
PAUSE, PATIENCE = 1e-4, 30.0


def seconds(*command, folder=None):
    return measure.run(*command, folder=folder).seconds


def first_step(folder, row):
    """Seconds until `row`, the file of the steps, has a row; the runs are removed for the next time."""
    process = measure.Process([ours.RUNNER, "run", "first.toml", "--quiet", "--device", "cpu"], folder)
    while not (row.exists() and row.stat().st_size > 0):
        if time.perf_counter() - process.started > PATIENCE:
            raise SystemExit(f"no step was written to {row} within {PATIENCE:.0f} s")
        time.sleep(PAUSE)
    taken = time.perf_counter() - process.started
    process.wait()
    shutil.rmtree(folder / "runs")
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        empty = folder / "empty"
        empty.mkdir()
        (folder / "first.toml").write_text(EXPERIMENT)
        # A run's folder has the same name each time, which the first time shows.
        measure.run(ours.RUNNER, "run", "first.toml", "--quiet", "--device", "cpu", folder=folder)
        (row,) = folder.glob("runs/first/*/steps.csv")
        shutil.rmtree(folder / "runs")
        found = measure.alternate(
            chosen.rounds,
            **{
                "`runner --help`": lambda: seconds(ours.RUNNER, "--help"),
                "`runner list`, no runs": lambda: seconds(ours.RUNNER, "list", folder=empty),
                "`runner run`, first step on digits": lambda: first_step(folder, row),
                '`python -c "import torch"`': lambda: seconds(*peers.IMPORT_TORCH),
            },
        )
    measure.table(
        "Milliseconds from the start of the process",
        ["", "median", "least", "most"],
        [[name, *(f"{1000 * value:.1f}" for value in (measure.median(times), min(times), max(times)))] for name, times in found.items()],
        f"{chosen.rounds} alternating rounds, files in memory after the first.",
    )


if __name__ == "__main__":
    main()
