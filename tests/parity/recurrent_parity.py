"""Makes the fixture of the recurrent parity test: what PyTorch's layers give, and its losses in three epochs.

Run by hand, with torch installed:

    python tests/parity/recurrent_parity.py

It writes `fixtures/recurrent.json`. Weights, inputs and tokens are formulas, which `tests/it/recurrent.rs` has as well.
All is computed in float64; the trainings are repeated in float32, so that the test can say what rounding alone does.
"""

import json
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

FIXTURE = Path(__file__).parent / "fixtures" / "recurrent.json"
HIDDEN, LAYERS, DIGITS = 3, 2, 10
INPUTS, STEPS, LENGTHS = 2, 4, [2, 4, 1, 3]
VOCABULARY, EMBEDDING, STATE, CLASSES = 10, 4, 5, 3
SEQUENCES, BATCH, EPOCHS, RATE = 48, 8, 3, 0.02


def wave(shape, factor, start):
    """sin(start + factor i) for i = 1, 2, …"""
    count = torch.Size(shape).numel()
    return torch.sin(start + factor * torch.arange(1, count + 1, dtype=torch.float64)).reshape(shape)


def fill(parameters, scale):
    """Number i of parameter k is scale sin(k + 0.37 i), both from 1."""
    with torch.no_grad():
        for index, parameter in enumerate(parameters, start=1):
            parameter.copy_(scale * wave(parameter.shape, 0.37, index))


def pool(outputs, lengths, pooling, hidden):
    """What is made of the outputs [B, T, D H] at the real steps."""
    rows = []
    for row, length in zip(outputs, lengths):
        real = row[:length]
        if pooling == "last":
            rows.append(torch.cat([real[-1, :hidden], real[0, hidden:]]))
        elif pooling == "mean":
            rows.append(real.mean(dim=0))
        else:
            rows.append(real.max(dim=0).values)
    return torch.stack(rows)


def run(layer, x, lengths):
    """The outputs [B, T, D H] of a recurrent layer, 0 at padding."""
    packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    outputs, _ = layer(packed)
    return pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])[0]


def rounded(tensor):
    return [float(f"{number:.{DIGITS}g}") for number in tensor.flatten().tolist()]


def make_cell(kind, *sizes, **options):
    if kind == "rnn_relu":
        return nn.RNN(*sizes, nonlinearity="relu", **options)
    return {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind](*sizes, **options)


def layer_case(kind, bidirectional, pooling):
    options = {"num_layers": LAYERS, "bidirectional": bidirectional, "batch_first": True}
    layer = make_cell(kind, INPUTS, HIDDEN, **options).double()
    fill(layer.parameters(), 0.8)
    x = wave([len(LENGTHS), STEPS, INPUTS], 0.7, 0.2).requires_grad_()
    outputs = run(layer, x, LENGTHS)
    y = outputs if pooling == "none" else pool(outputs, LENGTHS, pooling, HIDDEN)
    (y * wave(y.shape, 0.3, 1.0)).sum().backward()
    names = [name for name, _ in layer.named_parameters()]
    gradients = [rounded(parameter.grad) for parameter in layer.parameters()]
    return {
        "cell": kind,
        "bidirectional": bidirectional,
        "pooling": pooling,
        "names": names,
        "y": rounded(y.detach()),
        "dx": rounded(x.grad),
        "gradients": gradients,
    }


class Rnn(nn.Module):
    """Named as the program names its tensors: `layers.1.weight_ih_l0`, ..."""

    def __init__(self, kind, bidirectional, pooling):
        super().__init__()
        directions = 2 if bidirectional else 1
        self.pooling = pooling
        options = {"num_layers": LAYERS, "bidirectional": bidirectional, "batch_first": True}
        self.layers = nn.ModuleList(
            [
                nn.Embedding(VOCABULARY, EMBEDDING, padding_idx=0),
                make_cell(kind, EMBEDDING, STATE, **options),
                nn.Linear(directions * STATE, CLASSES),
            ]
        )

    def forward(self, tokens, lengths):
        outputs = run(self.layers[1], self.layers[0](tokens), lengths)
        return self.layers[2](pool(outputs, lengths, self.pooling, STATE))


def make_sequences():
    """Tokens 1 to 9 in sequences of 1 to 6, and the sum of the first and the last as a class."""
    sequences = []
    for i in range(SEQUENCES):
        length = 1 + 7 * i % 6 if i % 5 else 1 + i % 4
        tokens = [1 + (5 * i + 3 * t + i * t * t) % 9 for t in range(length)]
        sequences.append((tokens, (tokens[0] + tokens[-1]) % CLASSES))
    return sequences


def train(model, sequences):
    """The mean loss over the samples of each epoch, before each step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    losses = []
    for _ in range(EPOCHS):
        total = 0.0
        for start in range(0, SEQUENCES, BATCH):
            batch = sequences[start : start + BATCH]
            lengths = [len(tokens) for tokens, _ in batch]
            longest = max(lengths)
            tokens = torch.tensor([tokens + [0] * (longest - len(tokens)) for tokens, _ in batch])
            targets = torch.tensor([target for _, target in batch])
            loss = cross_entropy(model(tokens, lengths), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / SEQUENCES)
    return losses


def training_case(kind, bidirectional, pooling):
    case = {"cell": kind, "bidirectional": bidirectional, "pooling": pooling}
    for dtype in [torch.float64, torch.float32]:
        model = Rnn(kind, bidirectional, pooling).double()
        fill(model.parameters(), 0.5)
        with torch.no_grad():
            model.layers[0].weight[0] = 0.0
        case["names"] = list(model.state_dict())
        case[str(dtype).removeprefix("torch.")] = train(model.to(dtype), make_sequences())
    return case


def main():
    torch.set_num_threads(1)
    poolings = ["none", "last", "mean", "max"]
    cells = [(kind, both) for both in [False, True] for kind in ["rnn", "rnn_relu", "lstm", "gru"]]
    layers = [layer_case(*cell, pooling) for cell in cells for pooling in poolings[:1]]
    layers += [layer_case("gru" if pooling == "max" else "lstm", True, pooling) for pooling in poolings[1:]]
    trained = [cell for cell in cells if cell[0] != "rnn_relu"]
    trainings = [
        training_case(*cell, poolings[1 + index % 3 if index > 2 else 1]) for index, cell in enumerate(trained)
    ]
    expected = {"torch": torch.__version__.split("+")[0], "layers": layers, "trainings": trainings}
    FIXTURE.write_text(json.dumps(expected) + "\n")
    for case in trainings:
        print(case["cell"], case["bidirectional"], case["pooling"], case["float64"], case["float32"])


if __name__ == "__main__":
    main()
