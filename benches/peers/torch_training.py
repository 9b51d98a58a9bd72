"""A training in PyTorch, as its documentation advises for one CPU: what torch_step.py and torch_epoch.py measure."""

import torch
from torch import nn

from torch_models import CASES


def add_options(parser):
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--threads", type=int, default=1)
    for variant in ["fused", "channels-last", "compile"]:
        parser.add_argument(f"--{variant}", action="store_true")


class Training:
    def __init__(self, chosen, samples=None):
        torch.set_num_threads(chosen.threads)
        torch.manual_seed(42)
        self.case = CASES[chosen.case]
        self.inputs, self.labels = self.case.data(samples)
        self.layout = torch.channels_last if chosen.channels_last else None
        model = self.case.build()
        if self.layout:
            model = model.to(memory_format=self.layout)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=chosen.fused)
        self.loss = nn.CrossEntropyLoss()
        self.forward = torch.compile(model) if chosen.compile else model

    def epoch(self):
        """The rows of every full batch, in a new order."""
        order = torch.randperm(len(self.labels))
        return [rows for rows in order.split(self.case.batch) if len(rows) == self.case.batch]

    def step(self, rows):
        batch, targets = self.case.batch_of(self.inputs, rows), self.labels[rows]
        if self.layout:
            batch = batch.contiguous(memory_format=self.layout)
        loss = self.loss(self.forward(batch), targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
