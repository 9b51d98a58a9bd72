"""Makes `fixtures/losses.json`: what PyTorch's losses come to over three epochs.

Run by hand, with torch and numpy installed:

    python tests/parity/losses.py

The hash u, the initial weights and the optimizer are those of `models.py`. The class of sample n is
floor(C (1 + u(60)[n]) / 2), and its numbers are 0.5 + 0.3 u(100 + class) + 0.2 u(200 + n). Where a number is to be told, it is
2 u(61)[n] rounded to float32, and the samples are those of four classes. Epochs end with a batch that is smaller than the
others; the mean over an epoch is what the loss sums up to, divided by the sum of the weights. Computed in float64.
"""

import json
from pathlib import Path

import torch
from models import EPOCHS, initialise, u
from torch import nn
from torch.nn import functional as F

FIXTURE = Path(__file__).parent / "fixtures" / "losses.json"
WIDTH, COUNT, TRAINED, BATCH = 12, 100, 75, 16
# No residual comes nearer to a kink: float32 must take the same branch.
DISTANCE = 1e-4


def cross_entropy(class_weights=None, label_smoothing=0.0):
    weight = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)
    options = {"weight": weight, "label_smoothing": label_smoothing}

    def loss(outputs, targets):
        total = F.cross_entropy(outputs, targets, reduction="sum", **options)
        weights = len(targets) if weight is None else weight[targets].sum()
        return F.cross_entropy(outputs, targets, **options), total, weights

    return loss


def binary(classes, pos_weight=None):
    weight = None if pos_weight is None else torch.tensor(pos_weight, dtype=torch.float64)

    def loss(outputs, targets):
        hot = targets.double()[:, None] if classes == 2 else F.one_hot(targets, classes).double()
        mean = F.binary_cross_entropy_with_logits(outputs, hot, pos_weight=weight)
        total = F.binary_cross_entropy_with_logits(outputs, hot, pos_weight=weight, reduction="sum")
        return mean, total, outputs.numel()

    return loss


def distance(function, kinks=(), **options):
    def loss(outputs, targets):
        residuals = (outputs.detach()[:, 0] - targets).abs()
        for kink in kinks:
            assert (residuals - kink).abs().min() > DISTANCE, "a residual is too near to a kink"
            assert kink == 0 or 0 < (residuals < kink).sum() < len(residuals), "a batch uses one branch only"
        mean = function(outputs[:, 0], targets, **options)
        return mean, function(outputs[:, 0], targets, reduction="sum", **options), len(targets)

    return loss


# What the loss is called in an experiment, how many classes there are (None: numbers), and the same in PyTorch.
CASES = {
    "cross_entropy": ("kind = 'cross_entropy'", 4, cross_entropy()),
    "weights_and_smoothing": (
        "kind = 'cross_entropy'\nlabel_smoothing = 0.1\nclass_weights = [0.5, 2.0, 3.0, 1.25]",
        4,
        cross_entropy([0.5, 2.0, 3.0, 1.25], 0.1),
    ),
    "bce_of_two": ("kind = 'bce_with_logits'", 2, binary(2)),
    "bce_of_two_with_pos_weight": ("kind = 'bce_with_logits'\npos_weight = [2.5]", 2, binary(2, [2.5])),
    "bce_of_four": ("kind = 'bce_with_logits'", 4, binary(4)),
    "bce_of_four_with_pos_weight": (
        "kind = 'bce_with_logits'\npos_weight = [0.5, 2.0, 1.0, 3.0]",
        4,
        binary(4, [0.5, 2.0, 1.0, 3.0]),
    ),
    "mse": ("kind = 'mse'", None, distance(F.mse_loss)),
    "l1": ("kind = 'l1'", None, distance(F.l1_loss, [0.0])),
    "huber": ("kind = 'huber'\ndelta = 0.75", None, distance(F.huber_loss, [0.75], delta=0.75)),
}


def samples(classes):
    drawn = torch.floor((classes or 4) * (1 + u(60, COUNT)) / 2).long()
    rows = [0.5 + 0.3 * u(100 + int(drawn[n]), WIDTH) + 0.2 * u(200 + n, WIDTH) for n in range(COUNT)]
    return torch.stack(rows), drawn if classes else (2 * u(61, COUNT)).float().double()


def epoch(model, loss, inputs, targets, optimizer=None):
    total = weight = 0.0
    for rows, answers in zip(inputs.split(BATCH), targets.split(BATCH)):
        mean, of_batch, of_weights = loss(model(rows), answers)
        torch.testing.assert_close(mean, of_batch / of_weights, rtol=1e-12, atol=0)
        total, weight = total + float(of_batch.detach()), weight + float(of_weights)
        if optimizer:
            optimizer.zero_grad()
            mean.backward()
            optimizer.step()
    return total / weight


def train(classes, loss):
    outputs = {None: 1, 2: 1}.get(classes, classes)
    model = nn.Sequential(nn.Linear(WIDTH, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, outputs)).double()
    initialise(model)
    inputs, targets = samples(classes)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    rows = []
    for _ in range(EPOCHS):
        trained = epoch(model, loss, inputs[:TRAINED], targets[:TRAINED], optimizer)
        with torch.no_grad():
            valid = epoch(model, loss, inputs[TRAINED:], targets[TRAINED:])
        rows.append({"train_loss": trained, "valid_loss": valid})
    return rows


def main():
    cases = {}
    for name, (written, classes, loss) in CASES.items():
        rows = train(classes, loss)
        cases[name] = {"loss": written, "classes": classes, "rows": rows}
        print(name, rows)
    sizes = {"width": WIDTH, "samples": COUNT, "trained": TRAINED, "batch": BATCH}
    text = {"torch": torch.__version__.split("+")[0], **sizes, "cases": cases}
    FIXTURE.write_text(json.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    main()
