"""Our side of the comparisons: the release build, run as anybody would run it."""

import contextlib
import csv
import json
import pathlib
import statistics
import sys
import tempfile
from typing import NamedTuple

import measure

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUNNER = ROOT / "target" / "release" / "runner"
if not RUNNER.exists():
    sys.exit("there is no release build yet: cargo build --release")

IMAGES = "source = 'synthetic', kind = 'images', samples = {samples}, channels = {channels}, image_size = [{side}, {side}]"

# The same networks as in torch_models.py.
DATA = {
    "mlp_batch_norm": IMAGES.format(samples=8192, channels=1, side=28),
    "mlp_dropout": IMAGES.format(samples=8192, channels=1, side=28),
    "cnn_3x32x32": IMAGES.format(samples=1024, channels=3, side=32),
    "cnn_1x28x28": IMAGES.format(samples=2048, channels=1, side=28),
    "lstm": IMAGES.format(samples=2048, channels=1, side=28),
    "gru": IMAGES.format(samples=2048, channels=1, side=28),
    "embedding_bilstm": "source = 'synthetic', kind = 'sequences', samples = 1024, vocabulary = 4999, min_length = 64, "
    "max_length = 64, num_classes = 10",
}
MODEL = {
    "mlp_batch_norm": "kind = 'mlp', regularizer = 'batch_norm'",
    "mlp_dropout": "kind = 'mlp', regularizer = { kind = 'dropout', p = 0.3 }",
    "cnn_3x32x32": "kind = 'cnn', channels = [32, 64, 128], head = { hidden = [512, 256], dropout = [0.5, 0.5, 0.0] }",
    "cnn_1x28x28": "kind = 'cnn', channels = [16, 32], head = { hidden = [], dropout = 0.0 }",
    "lstm": "kind = 'rnn', cell = 'lstm', hidden_size = 128",
    "gru": "kind = 'rnn', cell = 'gru', hidden_size = 128",
    "embedding_bilstm": "kind = 'rnn', cell = 'lstm', embedding = 100, hidden_size = 128, bidirectional = true",
}


class Trained(NamedTuple):
    """What an experiment took, the folder that it left, and those of its runs."""

    ended: measure.Ended
    folder: pathlib.Path
    runs: list

    def seconds(self):
        """The seconds that the training part of every epoch took, a list a run."""
        return [[float(row["train_seconds"]) for row in rows(run / "timing.csv")] for run in self.runs]

    def records(self):
        return [json.loads((run / "run.json").read_text()) for run in self.runs]


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def batch_size(case):
    return 256 if case.startswith("mlp") else 64


def steps_an_epoch(case):
    return int(DATA[case].split("samples = ")[1].split(",")[0]) // batch_size(case)


def experiment(case, epochs, data=None, extra=""):
    """The text of an experiment that trains on every sample and validates on none."""
    return (
        f"name = 'peer'\nmodel = {{ {MODEL[case]} }}\ndevice = 'cpu'\n"
        f"data = {{ {data or DATA[case]}, split = {{ train = 1.0 }} }}\n"
        f"train = {{ epochs = {epochs}, batch_size = {batch_size(case)} }}\n"
        f"optimizer = {{ kind = 'adam', lr = 1e-3 }}\n{extra}"
    )


@contextlib.contextmanager
def trained(text, *flags):
    """Trains what `text` describes, in a folder that is there until the `with` ends."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        path = folder / "peer.toml"
        path.write_text(text)
        ended = measure.run(RUNNER, "run", path, "--quiet", "--runs", folder / "runs", *flags)
        yield Trained(ended, folder, sorted(record.parent for record in folder.glob("runs/*/*/run.json")))


def step_milliseconds(case, epochs, *flags, extra=""):
    """The median over the epochs but the first, everything in them counted (gathering, metrics, the optimizer);
    the mean of that over the runs, if `extra` makes several of them."""
    with trained(experiment(case, epochs, extra=extra), *flags) as found:
        medians = [statistics.median(seconds[1:]) for seconds in found.seconds()]
    return 1000 * statistics.mean(medians) / steps_an_epoch(case)
