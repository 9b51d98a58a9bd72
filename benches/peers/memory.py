"""Peak memory of a training on 60,000 images of 28 × 28 pixels, of one run and of two at once, and of PyTorch's.

    python benches/peers/memory.py [--rounds N]
"""

import argparse
import pathlib
import tempfile

import idx
import measure
import ours
import peers

CASE, IMAGES = "mlp_batch_norm", 60_000
THEIRS = peers.script("torch_epoch.py", CASE, IMAGES, "--fused")


def ours_at_once(runs, data):
    text = ours.experiment(CASE, 1, data=data, extra=f"sweep = {{ seeds = {runs} }}\n")
    with ours.trained(text, "--jobs", str(runs), "--threads", "1") as found:
        return found.ended.peak


def theirs_at_once(processes):
    """The sum: processes share their libraries' code, which is little of it."""
    return sum(ended.peak for ended in measure.at_once(*[THEIRS] * processes))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    synthetic = ours.IMAGES.format(samples=IMAGES, channels=1, side=idx.SIDE)
    with tempfile.TemporaryDirectory() as folder:
        files = idx.source(pathlib.Path(folder), IMAGES)
        sides = {
            "ours, images of IDX files": lambda runs: ours_at_once(runs, files),
            "ours, synthetic images": lambda runs: ours_at_once(runs, synthetic),
            "PyTorch, a process each": theirs_at_once,
        }
        counted = {f"{name} {runs}": lambda side=side, runs=runs: side(runs) for name, side in sides.items() for runs in [1, 2]}
        counted["import torch"] = lambda: measure.run(*peers.IMPORT_TORCH).peak
        peaks = measure.medians(measure.alternate(chosen.rounds, **counted))
    rows = []
    for name in sides:
        one, two = peaks[f"{name} 1"], peaks[f"{name} 2"]
        rows.append([name, f"{one / measure.MEGABYTE:.0f}", f"{two / measure.MEGABYTE:.0f}", f"{two / one:.2f}"])
    rows.append(["PyTorch, the import alone", f"{peaks['import torch'] / measure.MEGABYTE:.0f}", "", ""])
    measure.table(
        f"Peak resident memory in MB, an epoch on {measure.count(IMAGES)} × {idx.SIDE * idx.SIDE} pixels",
        ["", "one run", "two at once", "two / one"],
        rows,
        f"The network is {CASE}; PyTorch keeps the images as bytes too. Medians of {chosen.rounds} rounds.",
    )


if __name__ == "__main__":
    main()
