"""The networks that are compared, in PyTorch, with made-up data of the same shapes and types as ours."""

import torch
from torch import nn


class Case:
    """A network with its data and its loss."""

    def __init__(self, build, images=None, tokens=None, batch=64, samples=2048):
        self.build, self.images, self.tokens = build, images, tokens
        self.batch, self.samples = batch, samples

    def data(self, samples=None):
        """Images stay bytes in memory, as they do in `runner`; tokens are whole numbers."""
        samples = samples or self.samples
        generator = torch.Generator().manual_seed(1)
        labels = torch.randint(0, 10, (samples,), generator=generator)
        if self.tokens:
            vocabulary, length = self.tokens
            return torch.randint(2, vocabulary, (samples, length), generator=generator), labels
        return torch.randint(0, 256, (samples, *self.images), dtype=torch.uint8, generator=generator), labels

    def batch_of(self, inputs, rows):
        return inputs[rows] if self.tokens else inputs[rows].float() / 255


MLP_WIDTHS = [784, 630, 476, 322, 168, 10]


def mlp(regularizer):
    layers = [nn.Flatten()]
    for fan_in, fan_out in zip(MLP_WIDTHS[:-2], MLP_WIDTHS[1:-1]):
        layers += [nn.Linear(fan_in, fan_out), nn.LeakyReLU(0.01), regularizer(fan_out)]
    return nn.Sequential(*layers, nn.Linear(MLP_WIDTHS[-2], MLP_WIDTHS[-1]))


def cnn(channels, head, side, in_channels):
    layers = []
    for out_channels in channels:
        layers += [
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        in_channels, side = out_channels, side // 2
    layers.append(nn.Flatten())
    width = in_channels * side * side
    for dropout, out_width in zip([0.5, 0.5], head):
        layers += [nn.Dropout(dropout), nn.Linear(width, out_width), nn.ReLU()]
        width = out_width
    return nn.Sequential(*layers, nn.Linear(width, 10))


class Rows(nn.Module):
    """Reads an image row by row and classifies the last state."""

    def __init__(self, cell, inputs=28, hidden=128):
        super().__init__()
        self.cell = cell(inputs, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 10)

    def forward(self, images):
        outputs, _ = self.cell(images.squeeze(1))
        return self.head(outputs[:, -1])


class Words(nn.Module):
    """Embeds tokens, reads them in both directions and classifies the two last states."""

    def __init__(self, vocabulary, width=100, hidden=128):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.cell = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, 10)

    def forward(self, tokens):
        _, (states, _) = self.cell(self.embedding(tokens))
        return self.head(torch.cat([states[0], states[1]], dim=1))


VOCABULARY, LENGTH = 5000, 64

CASES = {
    "mlp_batch_norm": Case(lambda: mlp(nn.BatchNorm1d), images=(1, 28, 28), batch=256, samples=8192),
    "mlp_dropout": Case(lambda: mlp(lambda _: nn.Dropout(0.3)), images=(1, 28, 28), batch=256, samples=8192),
    "cnn_3x32x32": Case(lambda: cnn([32, 64, 128], [512, 256], 32, 3), images=(3, 32, 32)),
    "cnn_1x28x28": Case(lambda: cnn([16, 32], [], 28, 1), images=(1, 28, 28)),
    "lstm": Case(lambda: Rows(nn.LSTM), images=(1, 28, 28)),
    "gru": Case(lambda: Rows(nn.GRU), images=(1, 28, 28)),
    "embedding_bilstm": Case(lambda: Words(VOCABULARY), tokens=(VOCABULARY, LENGTH)),
}
