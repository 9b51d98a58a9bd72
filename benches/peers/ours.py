"""Our side of the comparisons: the release build, run as anybody would run it."""

import csv
import pathlib
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUNNER = ROOT / "target" / "release" / "runner"

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


def run(text, *flags, runs=None):
    """Trains what `text` describes in a new folder (or in `runs`); the folder is handed to `read` before it goes."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "peer.toml"
        path.write_text(text)
        command = [RUNNER, "run", path, "--quiet", "--runs", folder, *flags]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return [read_timing(path) for path in sorted(pathlib.Path(folder).glob("peer/*/timing.csv"))]


def read_timing(path):
    with path.open() as file:
        return [float(row["train_seconds"]) for row in csv.DictReader(file)]


def step_milliseconds(case, epochs, threads=1):
    """The median over the epochs but the first, everything in them counted: gathering, metrics, the optimizer."""
    (seconds,) = run(experiment(case, epochs), "--jobs", "1", "--threads", str(threads))
    return 1000 * statistics.median(seconds[1:]) / steps_an_epoch(case)
