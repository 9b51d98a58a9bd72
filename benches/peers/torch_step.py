"""Milliseconds of a training step in PyTorch, the median.

    python benches/peers/torch_step.py CASE SECONDS [--threads N] [--fused] [--channels-last] [--compile]
"""

import argparse
import statistics
import time

import torch
from torch import nn

from torch_models import CASES


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--threads", type=int, default=1)
    for variant in ["fused", "channels-last", "compile"]:
        parser.add_argument(f"--{variant}", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(42)
    case = CASES[chosen.case]
    inputs, labels = case.data()
    layout = torch.channels_last if chosen.channels_last else torch.contiguous_format
    model = case.build()
    if chosen.channels_last:
        model = model.to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=chosen.fused)
    loss_function = nn.CrossEntropyLoss()
    forward = torch.compile(model) if chosen.compile else model
    times, warm_up, start_all = [], 5, None
    while start_all is None or time.perf_counter() - start_all < chosen.seconds:
        start = time.perf_counter()
        rows = torch.randint(0, case.samples, (case.batch,))
        batch, targets = case.batch_of(inputs, rows), labels[rows]
        if chosen.channels_last:
            batch = batch.contiguous(memory_format=layout)
        loss = loss_function(forward(batch), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if warm_up > 0:
            warm_up -= 1
        else:
            start_all = start_all or start
            times.append(time.perf_counter() - start)
    print(1000 * statistics.median(times))


if __name__ == "__main__":
    main()
