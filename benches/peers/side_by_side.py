"""What a second run beside the first costs each: two runs of ours in one process, two processes of PyTorch.

    python benches/peers/side_by_side.py [--rounds N]

What two processes of PyTorch lose is what the machine does not give: caches, memory and clock that cores share.
"""

import argparse
import statistics

import measure
import ours
import peers

CASE, EPOCHS, SECONDS = "mlp_batch_norm", 15, 6.0
STEP = peers.script("torch_step.py", CASE, SECONDS, "--fused")


def ours_at_once(runs):
    return ours.step_milliseconds(CASE, EPOCHS, "--jobs", str(runs), "--threads", "1", extra=f"sweep = {{ seeds = {runs} }}\n")


def theirs_at_once(processes):
    return statistics.mean(float(ended.output) for ended in measure.at_once(*[STEP] * processes))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    found = measure.medians(
        measure.alternate(
            chosen.rounds,
            ours_one=lambda: ours_at_once(1),
            theirs_one=lambda: theirs_at_once(1),
            ours_two=lambda: ours_at_once(2),
            theirs_two=lambda: theirs_at_once(2),
        )
    )
    measure.table(
        "Two runs side by side, one thread each: milliseconds a step of each run",
        ["", "one alone", "two at once", "two / one"],
        [
            [who, f"{found[side + '_one']:.2f}", f"{found[side + '_two']:.2f}", f"{found[side + '_two'] / found[side + '_one']:.2f}"]
            for who, side in [("ours, in one process", "ours"), ("PyTorch, a process each", "theirs")]
        ],
        f"The network is {CASE}; medians of {chosen.rounds} alternating rounds.",
    )


if __name__ == "__main__":
    main()
