"""Milliseconds of a training step beside PyTorch's best variant, one after the other in alternation.

    python benches/peers/steps.py [--rounds N] [--threads N] [--compile] [CASE ...]
"""

import argparse
import functools

import measure
import ours
import peers

SECONDS = 3.0
EPOCHS = {"mlp_batch_norm": 9, "mlp_dropout": 9, "cnn_3x32x32": 6, "cnn_1x28x28": 10, "lstm": 10, "gru": 10, "embedding_bilstm": 6}


def compare(case, chosen):
    """A row of the table."""
    flags = ["--jobs", "1", "--threads", str(chosen.threads)]
    sides = {"ours": functools.partial(ours.step_milliseconds, case, EPOCHS[case], *flags)}
    for variant in peers.variants(case, chosen.compile):
        sides[peers.name(variant)] = functools.partial(peers.step_milliseconds, case, SECONDS, chosen.threads, variant)
    medians = measure.medians(measure.alternate(chosen.rounds, **sides))
    own = medians.pop("ours")
    listed = ", ".join(f"{name} {milliseconds:.2f}" for name, milliseconds in medians.items())
    _, best = measure.best(medians)
    return [case, f"{own:.2f}", f"{best:.2f}", f"{own / best:.2f}", listed]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(ours.MODEL))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="torch.compile as a variant too, which takes minutes")
    chosen = parser.parse_args()
    measure.table(
        f"Milliseconds a training step, {chosen.threads} thread(s)",
        ["network", "ours", "best of PyTorch", "ours / best", "PyTorch by variant"],
        [compare(case, chosen) for case in chosen.cases],
        f"Medians of {chosen.rounds} alternating rounds.",
    )


if __name__ == "__main__":
    main()
