"""Predictions of 10,000 images of 28 × 28 pixels in an IDX file, beside PyTorch with the same weights and images.

    python benches/peers/predict.py [--rounds N] [CASE ...]

Ours is always the whole process. PyTorch is counted as a whole process and, to its advantage, without Python's start
and the imports: from the weights' file to the table on the disk.
"""

import argparse
import contextlib
import pathlib
import statistics
import subprocess
import tempfile
import time

import idx
import measure
import ours
import peers

IMAGES, BATCHES = 10_000, [256, 1000, 10_000]


@contextlib.contextmanager
def prepared(case):
    """The folder with the images, and a checkpoint trained on them for an epoch, in both formats."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with ours.trained(ours.experiment(case, 1, data=idx.source(folder, IMAGES))) as found:
            (run,) = found.runs
            checkpoint = (run / "checkpoints" / "best.safetensors").rename(folder / "best.safetensors")
        peers.run("torch_weights.py", case, checkpoint, folder / "best.pt")
        yield folder


def ours_seconds(folder):
    with (folder / "ours.csv").open("w") as output:
        start = time.perf_counter()
        command = [ours.RUNNER, "predict", folder / "best.safetensors", folder / "images-idx3-ubyte", "--device", "cpu"]
        subprocess.run(command, check=True, stdout=output)
    return time.perf_counter() - start, None


def their_seconds(case, folder, batch, *flags):
    """Of the whole process, and without the imports."""
    files = [folder / "best.pt", folder / "images-idx3-ubyte", folder / "theirs.csv"]
    ended = peers.run("torch_predict.py", case, *files, batch, *flags)
    return ended.seconds, float(ended.output)


def agreement(folder):
    """How many classes are the same, and the largest difference of two probabilities."""
    same, apart = 0, 0.0
    pairs = list(zip(ours.rows(folder / "ours.csv"), ours.rows(folder / "theirs.csv"), strict=True))
    for own, their in pairs:
        same += own["prediction"] == their["prediction"]
        apart = max(apart, *(abs(float(own[key]) - float(their[key])) for key in own if key.startswith("probability_")))
    return f"{same} of {len(pairs)} classes are the same, probabilities within {apart:.1e}"


def compare(case, rounds):
    """A row of the table, and what to say below it."""
    layouts = [[], ["--channels-last"]] if case.startswith("cnn") else [[]]
    with prepared(case) as folder:
        sides = {"ours": lambda: ours_seconds(folder)}
        for batch in BATCHES:
            for layout in layouts:
                name = " ".join([f"batches of {batch}", *layout]).replace("--", "")
                sides[name] = lambda batch=batch, layout=layout: their_seconds(case, folder, batch, *layout)
        found = measure.alternate(rounds, **sides)
        agreed = agreement(folder)
    own = statistics.median(whole for whole, _ in found.pop("ours"))
    _, whole = measure.best({name: statistics.median(whole for whole, _ in rounds) for name, rounds in found.items()})
    name, inner = measure.best({name: statistics.median(inner for _, inner in rounds) for name, rounds in found.items()})
    times = [f"{1000 * seconds:.0f}" for seconds in [own, whole, inner]]
    return [case, *times, f"{own / whole:.2f}", f"{own / inner:.2f}"], f"{case}: PyTorch was best with {name}; {agreed}."


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=["mlp_batch_norm", "cnn_1x28x28"])
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    rows, notes = zip(*[compare(case, chosen.rounds) for case in chosen.cases])
    measure.table(
        f"Milliseconds to predict {measure.count(IMAGES)} images, one thread",
        ["network", "ours, whole process", "PyTorch, whole process", "PyTorch, no imports", "ours / whole", "ours / no imports"],
        rows,
        " ".join(notes) + f" Medians of {chosen.rounds} alternating rounds.",
    )


if __name__ == "__main__":
    main()
