"""Milliseconds of a training step in PyTorch, the median.

    python benches/peers/torch_step.py CASE SECONDS [--threads N] [--fused] [--channels-last] [--compile]
"""

import argparse
import statistics
import time

from torch_training import Training, add_options

WARM_UP = 5


def steps(training):
    while True:
        yield from training.epoch()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("seconds", type=float)
    chosen = parser.parse_args()
    training = Training(chosen)
    times, end = [], None
    for number, rows in enumerate(steps(training)):
        start = time.perf_counter()
        if number == WARM_UP:
            end = start + chosen.seconds
        if end is not None and start > end:
            break
        training.step(rows)
        if number >= WARM_UP:
            times.append(time.perf_counter() - start)
    print(1000 * statistics.median(times))


if __name__ == "__main__":
    main()
