"""Seconds an epoch for more and more rows, and of a sweep for more and more runs: both should be lines.

    python benches/peers/scaling.py [--rounds N]
"""

import argparse

import measure
import ours

UNIT = 10_000
# Rows, and epochs that are enough to see one among them; the first is left out.
ROWS = {10_000: 15, 100_000: 6, 1_000_000: 4}
RUNS = [10, 100, 1000]

EPOCHS_TEXT = """
data = {{ source = 'synthetic', kind = 'blobs', samples = {rows}, features = 20, num_classes = 10, split = {{ train = 1.0 }} }}
model = {{ kind = 'mlp', hidden = [64, 32] }}
train = {{ epochs = {epochs}, batch_size = 256 }}
"""
SWEEP_TEXT = """
data = {{ source = 'digits', limit = 100 }}
model = {{ kind = 'mlp', hidden = [32] }}
train = {{ epochs = 1, batch_size = 32 }}
sweep = {{ seeds = {runs} }}
"""


def epoch(rows):
    """Seconds of an epoch, and the peak of the process's memory."""
    with ours.trained(EPOCHS_TEXT.format(rows=rows, epochs=ROWS[rows]), "--device", "cpu", "--jobs", "1", "--threads", "1") as found:
        (seconds,) = found.seconds()
        return measure.median(seconds[1:]), found.ended.peak


def sweep(runs):
    """Seconds of the whole process."""
    with ours.trained(SWEEP_TEXT.format(runs=runs), "--device", "cpu") as found:
        assert len(found.runs) == runs, f"{len(found.runs)} of {runs} runs were trained"
        return found.ended.seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    note = f"Medians of {chosen.rounds} alternating rounds."
    epochs = measure.alternate(chosen.rounds, **{str(rows): lambda rows=rows: epoch(rows) for rows in ROWS})
    lines = []
    for rows in ROWS:
        seconds, peak = (measure.median(values) for values in zip(*epochs[str(rows)]))
        lines.append(
            [measure.count(rows), f"{seconds:.3f}", f"{1000 * seconds * UNIT / rows:.2f}", f"{peak / measure.MEGABYTE:.0f}"]
        )
    measure.table(
        "An epoch on rows of 20 numbers (20-64-32-10, batches of 256, one thread)",
        ["rows", "seconds", f"ms for {measure.count(UNIT)} rows", "peak memory in MB"],
        lines,
        note,
    )
    sweeps = measure.medians(measure.alternate(chosen.rounds, **{str(runs): lambda runs=runs: sweep(runs) for runs in RUNS}))
    measure.table(
        "A sweep of tiny runs on digits (100 images, one epoch), the whole process",
        ["runs", "seconds", "ms a run"],
        [[measure.count(runs), f"{sweeps[str(runs)]:.3f}", f"{1000 * sweeps[str(runs)] / runs:.2f}"] for runs in RUNS],
        note,
    )


if __name__ == "__main__":
    main()
