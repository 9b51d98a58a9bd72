"""Makes `fixtures/models.json`: the losses of PyTorch's models over three epochs.

Run by hand, with torch and numpy installed:

    python tests/parity/models.py

Samples and initial weights are made of a hash, so that the test makes the same ones by itself and none are stored. The
hash of (seed, n) is a number in [-1, 1). A sample of the class k = n mod 4 is 0.5 + 0.3 u(100 + k) + 0.2 u(200 + n), number by
number. The i-th parameter in PyTorch's order is sqrt(6 / fan_in) u(300 + i), if it has more than one dimension; else 1 + 0.1 u
if it is a weight, 0.1 u if it is a bias. SGD with lr 0.01 and momentum 0.9, batches in the order of the samples, the last fourth
of them for validation. Computed in float64.
"""

import json
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.nn.functional import cross_entropy

FIXTURE = Path(__file__).parent / "fixtures" / "models.json"
CLASSES, EPOCHS = 4, 3


def u(seed, count):
    n = numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(seed * 1_000_003)
    mask = numpy.uint64(0xFFFFFFFF)
    h = (n * numpy.uint64(2654435761)) & mask
    h = ((h ^ (h >> numpy.uint64(15))) * numpy.uint64(2246822519)) & mask
    h = ((h ^ (h >> numpy.uint64(13))) * numpy.uint64(3266489917)) & mask
    h ^= h >> numpy.uint64(16)
    return torch.from_numpy(h.astype(numpy.float64) / 2**31 - 1)


def samples(shape, count):
    size = torch.Size(shape).numel()
    rows = [0.5 + 0.3 * u(100 + n % CLASSES, size) + 0.2 * u(200 + n, size) for n in range(count)]
    return torch.stack(rows).reshape(count, *shape), torch.arange(count) % CLASSES


def initialise(model):
    with torch.no_grad():
        for index, (name, one) in enumerate(model.named_parameters()):
            numbers = u(300 + index, one.numel()).reshape(one.shape)
            if one.dim() > 1:
                one.copy_((6 / one[0].numel()) ** 0.5 * numbers)
            else:
                one.copy_(0.1 * numbers + (1 if name.endswith("weight") else 0))


class Residual(nn.Module):
    def __init__(self, layers, shortcut):
        super().__init__()
        self.layers = layers
        self.shortcut = shortcut

    def forward(self, inputs):
        return self.layers(inputs) + self.shortcut(inputs)


def mlp(norm, after):
    layers, widths = [], [12, 16, 8]
    for fan_in, fan_out in zip(widths[:-1], widths[1:]):
        behind = [nn.Tanh(), norm(fan_out)]
        layers += [nn.Linear(fan_in, fan_out), *(behind[::-1] if after else behind)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], CLASSES))


def cnn():
    layers, before = [], 3
    for channels in [32, 64, 128]:
        layers += [nn.Conv2d(before, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2)]
        before = channels
    layers += [nn.Flatten(), nn.Dropout(0), nn.Linear(128 * 4 * 4, 512), nn.ReLU(), nn.Dropout(0), nn.Linear(512, 256)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Dropout(0), nn.Linear(256, CLASSES))


def residual():
    first = Residual(
        nn.Sequential(
            nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1),
        ),
        nn.Sequential(nn.Conv2d(8, 16, 1, stride=2), nn.BatchNorm2d(16)),
    )
    second = Residual(nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, groups=2), nn.LayerNorm([16, 5, 4])), nn.Identity())
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.GELU(), first, nn.SiLU(), second, nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(16, CLASSES),
    )


MLP = "kind = 'mlp'\nhidden = [16, 8]\nactivation = 'tanh'\nregularizer = '{}'\nactivation_position = '{}_regularizer'"
CASES = {
    f"{norm}_{position}": (MLP.format(norm, position), [12], 128, 32, mlp(layer, position == "after"))
    for norm, layer in [("batch_norm", nn.BatchNorm1d), ("layer_norm", nn.LayerNorm)]
    for position in ["before", "after"]
}
CASES["cnn"] = ("kind = 'cnn'\nhead.dropout = 0", [3, 32, 32], 40, 10, cnn())
CASES["residual"] = (
    """kind = 'sequential'
layers = [
    { kind = 'conv2d', out_channels = 8, kernel_size = 3, padding = 1 },
    'gelu',
    { kind = 'residual', layers = [
        { kind = 'conv2d', out_channels = 16, kernel_size = 3, stride = 2, padding = 1, bias = false },
        'batch_norm',
        'relu',
        { kind = 'conv2d', out_channels = 16, kernel_size = 3, padding = 1 },
    ], shortcut = [{ kind = 'conv2d', out_channels = 16, kernel_size = 1, stride = 2 }, 'batch_norm'] },
    'silu',
    { kind = 'residual', layers = [
        { kind = 'conv2d', out_channels = 16, kernel_size = 3, padding = 1, groups = 2 }, 'layer_norm',
    ] },
    { kind = 'avg_pool2d', kernel_size = 2 },
    { kind = 'adaptive_avg_pool2d', output_size = 1 },
    'flatten',
    'linear',
]
""",
    [2, 9, 7],
    40,
    10,
    residual(),
)


def train(model, shape, count, batch):
    inputs, labels = samples(shape, count)
    trained = count * 3 // 4
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    rows = []
    for _ in range(EPOCHS):
        model.train()
        total = 0.0
        for start in range(0, trained, batch):
            part = slice(start, start + batch)
            loss = cross_entropy(model(inputs[part]), labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * batch
        model.eval()
        with torch.no_grad():
            valid = cross_entropy(model(inputs[trained:]), labels[trained:]).item()
        rows.append({"train_loss": total / trained, "valid_loss": valid})
    return rows


def main():
    cases = {}
    for name, (written, shape, count, batch, model) in CASES.items():
        model = model.double()
        initialise(model)
        rows = train(model, shape, count, batch)
        cases[name] = {"model": written, "shape": shape, "samples": count, "batch": batch, "rows": rows}
        print(name, rows)
    text = {"torch": torch.__version__.split("+")[0], "cases": cases}
    FIXTURE.write_text(json.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    main()
