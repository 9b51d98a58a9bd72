"""Trains one epoch in PyTorch on images in memory, as bytes, and prints its seconds.

    python benches/peers/torch_epoch.py CASE SAMPLES [--threads N] [--fused] [--channels-last]
"""

import argparse
import time

from torch_training import Training, add_options


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("samples", type=int)
    chosen = parser.parse_args()
    training = Training(chosen, chosen.samples)
    start = time.perf_counter()
    for rows in training.epoch():
        training.step(rows)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
