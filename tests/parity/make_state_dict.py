"""Makes the files of the tests of state dicts: what PyTorch saves, and its tensors as safetensors.

Run by hand, with torch 2.15 and safetensors installed:

    python tests/parity/make_state_dict.py

It writes `fixtures/state_dict/*` beside it, and the seeds of the fuzz target `state_dict`: a small file, and
the pickles of others.
"""

import os
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

FIXTURES = Path(__file__).parent / "fixtures" / "state_dict"
SEEDS = Path(__file__).parents[2] / "fuzz" / "seeds" / "state_dict"


class RunsACommand:
    def __reduce__(self):
        return os.system, ("echo this must not be run",)


def small_network():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    model(torch.randn(4, 1, 4, 4)).sum().backward()
    return model


def all_sorts():
    """A network's state dict with tensors of every type and sort of view behind it."""
    tensors = small_network().state_dict()
    numbers = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) / 7
    tensors["turned"] = numbers.permute(2, 0, 1)
    tensors["turned.pair"] = numbers.transpose(1, 2)
    tensors["part"] = numbers[1, 1:, ::2]
    tensors["row"] = numbers[1, 2]
    tensors["tied"] = tensors["3.weight"].detach()
    tensors["repeated"] = numbers[0, 0, 1:2].expand(5)
    tensors["half"] = torch.tensor([0.1, -2.5, 65504.0, float("inf")], dtype=torch.float16)
    tensors["half.turned"] = torch.arange(6, dtype=torch.float16).reshape(2, 3).t()
    tensors["bfloat"] = torch.tensor([[0.1, -3e38]], dtype=torch.bfloat16)
    tensors["double"] = torch.tensor([1 / 3, 1e-310], dtype=torch.float64)
    tensors["double.turned"] = torch.arange(6, dtype=torch.float64).reshape(3, 2).t()
    tensors["long"] = torch.tensor([-(2**62), 5])
    tensors["number"] = torch.tensor(2.5)
    tensors["empty"] = torch.zeros(0, 3)
    tensors["parameter"] = nn.Parameter(torch.tensor([1.5, -1.5]))
    return tensors


def write_seeds():
    SEEDS.mkdir(parents=True, exist_ok=True)
    torch.save(nn.Linear(2, 1).state_dict(), SEEDS / "linear.pt")
    for name in ["all_sorts", "checkpoint", "whole_module"]:
        with zipfile.ZipFile(FIXTURES / f"{name}.pt") as archive:
            (SEEDS / f"{name}.pkl").write_bytes(archive.read(f"{name}/data.pkl"))


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    save = lambda thing, name, **how: torch.save(thing, FIXTURES / name, **how)
    tensors = all_sorts()
    save(tensors, "all_sorts.pt")
    plain = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    save_file(plain, FIXTURES / "all_sorts.safetensors")

    model = small_network()
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.step()
    state = {"epoch": 3, "model_state_dict": model.state_dict(), "loss": [0.5, 2**70]}
    save({**state, "optimizer": optimizer.state_dict()}, "checkpoint.pt")

    linear = nn.Linear(2, 1)
    save(linear, "whole_module.pt")
    save(OrderedDict(weight=RunsACommand()), "command.pt")
    save(linear.state_dict(), "legacy.pt", _use_new_zipfile_serialization=False)
    save({"mask": torch.tensor([True, False])}, "truth.pt")
    save({"count": torch.tensor([1, 2], dtype=torch.uint16)}, "untyped.pt")
    save({"view": torch.tensor([1j, 2j]).conj().imag}, "negated.pt")
    save({"weight": torch.zeros(2, 2).to_sparse()}, "sparse.pt")
    write_seeds()


if __name__ == "__main__":
    main()
