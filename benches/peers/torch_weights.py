"""Writes weights that `runner` has trained as a state dict of the same network in PyTorch.

    python benches/peers/torch_weights.py CASE CHECKPOINT.safetensors WEIGHTS.pt

Layers are matched by their order: `runner` counts no layer that flattens the images of an mlp.
"""

import argparse
import json
import pathlib

import torch

from torch_models import CASES


def read(path):
    """The tensors of a safetensors file by name: eight bytes of length, a table in JSON, the numbers."""
    content = bytearray(path.read_bytes())
    end = 8 + int.from_bytes(content[:8], "little")
    found = {}
    for name, entry in json.loads(content[8:end]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, last = entry["data_offsets"]
            numbers = torch.frombuffer(content, dtype=torch.float32, count=(last - first) // 4, offset=end + first)
            found[name] = numbers.reshape(entry["shape"])
    return found


def by_layer(tensors):
    """A dict of tensors for each layer, in the order of the layers."""
    layers = {}
    for name, tensor in tensors.items():
        layer, kind = name.rsplit(".", 1)
        if kind != "num_batches_tracked":
            layers.setdefault(int(layer.split(".")[-1]), {})[kind] = (name, tensor)
    return [layers[number] for number in sorted(layers)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=[case for case in CASES if case.startswith(("mlp", "cnn"))])
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    chosen = parser.parse_args()
    state = CASES[chosen.case].build().state_dict()
    for theirs, ours in zip(by_layer(state), by_layer(read(chosen.checkpoint)), strict=True):
        for kind, (name, tensor) in theirs.items():
            state[name] = ours[kind][1].reshape(tensor.shape)
    torch.save(state, chosen.weights)


if __name__ == "__main__":
    main()
