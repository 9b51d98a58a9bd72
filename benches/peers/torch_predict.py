"""Classes and probabilities of IDX images in PyTorch, as CSV; prints the seconds that it took without the imports.

    python benches/peers/torch_predict.py CASE WEIGHTS.pt IMAGES OUTPUT.csv BATCH [--channels-last]
"""

import argparse
import pathlib
import struct
import time

import torch

from torch_models import CASES

HEADER, CLASSES = 16, 10


def read(path):
    """The images [N, 1, rows, columns] as bytes, mapped from the file."""
    with path.open("rb") as file:
        _, *shape = struct.unpack(">IIII", file.read(HEADER))
    content = torch.from_file(str(path), size=path.stat().st_size, dtype=torch.uint8)
    return content[HEADER:].reshape(shape[0], 1, *shape[1:])


@torch.inference_mode()
def probabilities(model, images, batch, layout):
    found = []
    for some in images.split(batch):
        pixels = some.to(torch.float32, memory_format=layout).div_(255)
        found.append(model(pixels).softmax(1))
    return torch.cat(found)


def write(path, source, found):
    line = f"{source},%d,%d," + ",".join(["%.8g"] * CLASSES)
    predictions = found.argmax(1).tolist()
    names = ",".join(f"probability_{label}" for label in range(CLASSES))
    lines = [f"input,index,prediction,{names}"]
    lines += [line % (index, predictions[index], *row) for index, row in enumerate(found.tolist())]
    path.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("batch", type=int)
    parser.add_argument("--channels-last", action="store_true")
    chosen = parser.parse_args()
    start = time.perf_counter()
    torch.set_num_threads(1)
    layout = torch.channels_last if chosen.channels_last else torch.contiguous_format
    model = CASES[chosen.case].build()
    model.load_state_dict(torch.load(chosen.weights, weights_only=True))
    model = model.eval().to(memory_format=layout)
    write(chosen.output, chosen.images, probabilities(model, read(chosen.images), chosen.batch, layout))
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
