"""The peers' side of the comparisons: this interpreter, which must be that of an environment with them."""

import importlib.util
import pathlib
import sys

import measure

HERE = pathlib.Path(__file__).resolve().parent
if importlib.util.find_spec("torch") is None:
    sys.exit("this Python has no torch: benches/peers/environment.sh makes one that has")


def script(name, *arguments):
    """The command of a script in this folder."""
    return [sys.executable, HERE / name, *map(str, arguments)]


def variants(case, compiled=False):
    """The settings that are worth trying: nobody is compared with a peer that is held back."""
    found = [[], ["--fused"]]
    if case.startswith("cnn"):
        found.append(["--fused", "--channels-last"])
    if compiled:
        found.append(["--fused", "--compile"])
    return found


def name(variant):
    return " ".join(variant).replace("--", "") or "eager"


def step_milliseconds(case, seconds, threads, variant):
    return float(measure.run(*script("torch_step.py", case, seconds, "--threads", threads, *variant)).output)


def run(name, *arguments):
    return measure.run(*script(name, *arguments))


# What every process with PyTorch begins with.
IMPORT_TORCH = [sys.executable, "-c", "import torch"]
