"""The peer of `runner run` on the original exercise's MLP: PyTorch on one thread.

    python benches/peers/mlp.py STEPS [--fused]

Images stay bytes in memory and a batch is gathered and divided by 255 in every step, as `runner` does.
Prints the median milliseconds of a step.
"""

import statistics
import sys
import time

import torch
from torch import nn

WIDTHS = [784, 630, 476, 322, 168, 10]
BATCH, SAMPLES, WARM_UP = 256, 8192, 10


def build():
    layers = []
    for fan_in, fan_out in zip(WIDTHS[:-2], WIDTHS[1:-1]):
        layers += [nn.Linear(fan_in, fan_out), nn.LeakyReLU(0.01), nn.BatchNorm1d(fan_out)]
    return nn.Sequential(*layers, nn.Linear(WIDTHS[-2], WIDTHS[-1]))


def main():
    torch.set_num_threads(1)
    torch.manual_seed(42)
    steps, fused = int(sys.argv[1]), "--fused" in sys.argv
    images = torch.randint(0, 256, (SAMPLES, 784), dtype=torch.uint8)
    labels = torch.randint(0, 10, (SAMPLES,))
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
    loss_function = nn.CrossEntropyLoss()
    times = []
    for step in range(steps + WARM_UP):
        start = time.perf_counter()
        rows = torch.randint(0, SAMPLES, (BATCH,))
        inputs, targets = images[rows].float() / 255, labels[rows]
        loss = loss_function(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step >= WARM_UP:
            times.append(time.perf_counter() - start)
    print(1000 * statistics.median(times))


if __name__ == "__main__":
    main()
