"""Makes `fixtures/layers.json`: what PyTorch's layers make of small inputs, and the gradients.

Run by hand, with torch installed:

    python tests/parity/layers.py

Inputs, parameters and gradients of outputs are waves, so that the test makes the same numbers by itself: the n-th
number (from 0) of the tensor with the seed s is sin(0.7 (n + 1) + s); inputs have the seed 1, gradients of outputs 2, and
parameters 3, 4, … in PyTorch's order. Everything is float64.
"""

import json
from pathlib import Path

import torch
from torch import nn

FIXTURE = Path(__file__).parent / "fixtures" / "layers.json"
BATCH = 2


def wave(shape, seed):
    count = torch.Size(shape).numel()
    return (0.7 * (torch.arange(count, dtype=torch.float64) + 1) + seed).sin().reshape(shape)


class Residual(nn.Module):
    def __init__(self, layers, shortcut):
        super().__init__()
        self.layers = layers
        self.shortcut = shortcut

    def forward(self, inputs):
        return self.layers(inputs) + self.shortcut(inputs)


# Each layer as it is written for the program, the shape of a sample, and PyTorch's.
CASES = [
    ("kind = 'linear'\nout_features = 2", [3, 4], nn.Linear(4, 2)),
    ("kind = 'conv2d'\nout_channels = 3\nkernel_size = 3\npadding = 1", [2, 4, 5], nn.Conv2d(2, 3, 3, padding=1)),
    (
        "kind = 'conv2d'\nout_channels = 4\nkernel_size = [3, 2]\nstride = [2, 1]\npadding = [1, 2]\ndilation = [1, 2]\n"
        "groups = 2\nbias = false",
        [2, 5, 4],
        nn.Conv2d(2, 4, (3, 2), (2, 1), (1, 2), (1, 2), groups=2, bias=False),
    ),
    ("kind = 'max_pool2d'\nkernel_size = 2", [2, 5, 4], nn.MaxPool2d(2)),
    ("kind = 'max_pool2d'\nkernel_size = 3\nstride = 2\npadding = 1", [2, 5, 4], nn.MaxPool2d(3, 2, 1)),
    ("kind = 'avg_pool2d'\nkernel_size = [2, 3]", [2, 5, 4], nn.AvgPool2d((2, 3))),
    ("kind = 'avg_pool2d'\nkernel_size = 3\nstride = 2\npadding = 1", [2, 5, 4], nn.AvgPool2d(3, 2, 1)),
    (
        "kind = 'avg_pool2d'\nkernel_size = 3\nstride = 2\npadding = 1\ncount_include_pad = false",
        [2, 5, 4],
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    ),
    ("kind = 'adaptive_avg_pool2d'\noutput_size = [3, 7]", [2, 5, 4], nn.AdaptiveAvgPool2d((3, 7))),
    ("kind = 'batch_norm'", [4], nn.BatchNorm1d(4)),
    ("kind = 'batch_norm'\nmomentum = 0.2", [2, 3, 2], nn.BatchNorm2d(2, momentum=0.2)),
    ("kind = 'layer_norm'", [5], nn.LayerNorm(5)),
    ("kind = 'layer_norm'\neps = 0.1", [3, 5], nn.LayerNorm(5, eps=0.1)),
    ("kind = 'layer_norm'", [2, 3, 2], nn.LayerNorm([2, 3, 2])),
    ("kind = 'layer_norm'\nelementwise_affine = false", [5], nn.LayerNorm(5, elementwise_affine=False)),
    ("kind = 'softmax'", [2, 3], nn.Softmax(-1)),
    ("kind = 'log_softmax'", [5], nn.LogSoftmax(-1)),
    ("kind = 'flatten'", [2, 2, 2], nn.Flatten()),
    ("kind = 'relu'", [5], nn.ReLU()),
    ("kind = 'leaky_relu'\nnegative_slope = 0.1", [5], nn.LeakyReLU(0.1)),
    ("kind = 'elu'\nalpha = 0.5", [5], nn.ELU(0.5)),
    ("kind = 'gelu'", [5], nn.GELU()),
    ("kind = 'silu'", [5], nn.SiLU()),
    ("kind = 'sigmoid'", [5], nn.Sigmoid()),
    ("kind = 'tanh'", [5], nn.Tanh()),
    ("kind = 'softplus'\nbeta = 2\nthreshold = 1", [5], nn.Softplus(2, 1)),
    (
        "kind = 'residual'\nlayers = [{ kind = 'conv2d', out_channels = 3, kernel_size = 3, padding = 1 }, 'tanh']\n"
        "shortcut = [{ kind = 'conv2d', out_channels = 3, kernel_size = 1, bias = false }]",
        [2, 3, 4],
        Residual(
            nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh()),
            nn.Sequential(nn.Conv2d(2, 3, 1, bias=False)),
        ),
    ),
    (
        "kind = 'residual'\nlayers = [{ kind = 'linear', out_features = 4 }, 'relu']",
        [4],
        Residual(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Identity()),
    ),
]


def measure(written, shape, layer):
    layer = layer.double()
    with torch.no_grad():
        for index, parameter in enumerate(layer.parameters()):
            parameter.copy_(wave(parameter.shape, 3 + index))
    inputs = wave([BATCH, *shape], 1).requires_grad_()
    outputs = layer(inputs)
    (outputs * wave(outputs.shape, 2)).sum().backward()
    layer.eval()
    rounded = lambda tensor: [float(f"{number:.12g}") for number in tensor.detach().flatten().tolist()]
    return {
        "layer": written,
        "input": shape,
        "output": list(outputs.shape[1:]),
        "y": rounded(outputs),
        "dx": rounded(inputs.grad),
        "gradients": {name: rounded(one.grad) for name, one in layer.named_parameters()},
        "evaluated": rounded(layer(inputs)),
    }


def main():
    cases = [measure(*case) for case in CASES]
    lines = ",\n".join(json.dumps(case) for case in cases)
    version = torch.__version__.split("+")[0]
    FIXTURE.write_text(f'{{"torch": "{version}", "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
