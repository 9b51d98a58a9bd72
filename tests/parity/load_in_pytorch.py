"""Loads a run's best weights into the equal PyTorch module and measures it on MNIST's test set.

    python tests/parity/load_in_pytorch.py RUN_FOLDER MNIST_FOLDER

Run by hand, with torch and safetensors installed, on a run of `experiments/mnist_baseline.toml`. The accuracy must be the one
that `runner evaluate` prints. Every tensor must find its place: `load_state_dict` is strict.
"""

import gzip
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

WIDTHS = [784, 630, 476, 322, 168, 10]


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for fan_in, fan_out in zip(WIDTHS[:-2], WIDTHS[1:-1]):
            layers += [nn.Linear(fan_in, fan_out), nn.LeakyReLU(0.01), nn.BatchNorm1d(fan_out)]
        self.layers = nn.Sequential(*layers, nn.Linear(WIDTHS[-2], WIDTHS[-1]))

    def forward(self, inputs):
        return self.layers(inputs)


def read(folder, name, header):
    data = gzip.decompress((Path(folder) / f"{name}.gz").read_bytes())
    return torch.tensor(list(data[header:]), dtype=torch.uint8)


def main():
    run, mnist = sys.argv[1:]
    images = read(mnist, "t10k-images-idx3-ubyte", 16).reshape(-1, 784).float() / 255
    labels = read(mnist, "t10k-labels-idx1-ubyte", 8)
    model = Mlp()
    tensors = load_file(Path(run) / "checkpoints" / "best.safetensors")
    print(model.load_state_dict(tensors, strict=True))
    model.eval()
    with torch.no_grad():
        outputs = model(images)
    loss = nn.functional.cross_entropy(outputs, labels.long())
    print(f"loss {loss.item():.6f}, accuracy {(outputs.argmax(1) == labels).float().mean().item():.4f}")


if __name__ == "__main__":
    main()
