"""Makes the fixtures of the training parity test: a tiny data set, initial weights, and PyTorch's losses.

Run by hand, with torch and safetensors installed:

    python tests/parity/train_parity.py

It writes into `fixtures/` beside it: `images.idx` and `labels.idx` (128 images of 3 x 4 pixels in four classes;
the first 96 are for training, the last 32 for validation), the weights before the first step of each
case as `<case>.safetensors`, and `expected.json`. Every case is an MLP 12-16-8-4 with LeakyReLU, trained for 3
epochs on batches of 32 in the order of the rows, pixels divided by 255.
"""

import json
import struct
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cross_entropy

FIXTURES = Path(__file__).parent / "fixtures"
WIDTHS = [12, 16, 8, 4]
TRAIN, VALID, BATCH, EPOCHS = 96, 32, 32, 3

CASES = {
    "batch_norm_adam": {
        "batch_norm": True,
        "optimizer": lambda parameters: torch.optim.Adam(parameters, lr=1e-2),
    },
    "sgd_nesterov": {
        "batch_norm": False,
        "optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True),
    },
}


class Mlp(nn.Module):
    """Named as the program names its tensors: `layers.0.weight`, ..."""

    def __init__(self, batch_norm):
        super().__init__()
        layers = []
        for fan_in, fan_out in zip(WIDTHS[:-2], WIDTHS[1:-1]):
            layers += [nn.Linear(fan_in, fan_out), nn.LeakyReLU(0.01)]
            if batch_norm:
                layers.append(nn.BatchNorm1d(fan_out))
        layers.append(nn.Linear(WIDTHS[-2], WIDTHS[-1]))
        self.layers = nn.Sequential(*layers)

    def initialise(self, inputs):
        """Large weights, and biases that centre every unit on the training inputs.

        Where all inputs of a unit lie on one side of the kink, the batch norm behind it makes the gradient of its
        bias zero but for rounding, and Adam takes a full step along the rounding: no two programs would agree.
        """
        with torch.no_grad():
            for layer in self.layers:
                if isinstance(layer, nn.Linear):
                    layer.weight.normal_(std=(2 / layer.in_features) ** 0.5)
                    layer.bias.copy_(-(inputs @ layer.weight.T).mean(dim=0))
                if isinstance(layer, nn.BatchNorm1d):
                    inputs = (inputs - inputs.mean(dim=0)) / inputs.std(dim=0)
                else:
                    inputs = layer(inputs)

    def forward(self, inputs):
        return self.layers(inputs)


def make_data():
    """Four random images, each shown 32 times under noise."""
    generator = torch.Generator().manual_seed(1)
    count = TRAIN + VALID
    prototypes = torch.randint(0, 256, (4, 12), generator=generator)
    labels = torch.randint(0, 4, (count,), generator=generator)
    noise = 60 * torch.randn((count, 12), generator=generator)
    images = (prototypes[labels] + noise).round().clamp(0, 255).to(torch.uint8)
    return images, labels


def write_idx(path, shape, numbers):
    """The format of MNIST: a magic number with the rank, the sizes, the bytes."""
    header = struct.pack(f">I{len(shape)}I", 0x0800 | len(shape), *shape)
    path.write_bytes(header + bytes(numbers.flatten().tolist()))


def mean_loss_and_accuracy(outputs, labels):
    loss = cross_entropy(outputs, labels)
    return loss, (outputs.argmax(dim=1) == labels).double().mean().item()


def train(model, make_optimizer, images, labels):
    """Means over the samples for each epoch: training mode on the way, evaluation mode after it."""
    dtype = next(model.parameters()).dtype
    inputs = images.to(dtype) / 255
    optimizer = make_optimizer(model.parameters())
    rows = []
    for epoch in range(1, EPOCHS + 1):
        model.train()
        loss_sum = right = 0.0
        for start in range(0, TRAIN, BATCH):
            batch = slice(start, start + BATCH)
            loss, accuracy = mean_loss_and_accuracy(model(inputs[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * BATCH
            right += accuracy * BATCH
        model.eval()
        with torch.no_grad():
            valid_loss, valid_accuracy = mean_loss_and_accuracy(model(inputs[TRAIN:]), labels[TRAIN:])
        rows.append(
            {
                "epoch": epoch,
                "train_loss": loss_sum / TRAIN,
                "valid_loss": valid_loss.item(),
                "train_accuracy": right / TRAIN,
                "valid_accuracy": valid_accuracy,
            }
        )
    return rows


def main():
    torch.set_num_threads(1)
    FIXTURES.mkdir(exist_ok=True)
    images, labels = make_data()
    write_idx(FIXTURES / "images.idx", (len(images), 3, 4), images)
    write_idx(FIXTURES / "labels.idx", (len(labels),), labels)
    cases = {}
    for name, case in CASES.items():
        cases[name] = {}
        for dtype in [torch.float32, torch.float64]:
            torch.manual_seed(0)
            # Drawn in float32 for both, so that they start from the same weights.
            model = Mlp(case["batch_norm"])
            model.initialise(images[:TRAIN] / 255)
            if dtype == torch.float32:
                save_file(model.state_dict(), FIXTURES / f"{name}.safetensors")
            rows = train(model.to(dtype), case["optimizer"], images, labels)
            cases[name][str(dtype).removeprefix("torch.")] = rows
    expected = {"torch": torch.__version__.split("+")[0], "cases": cases}
    (FIXTURES / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main()
