"""Images and labels in MNIST's format, made up, block by block so that no more than a block is in memory."""

import random
import struct

SIDE, CLASSES, BLOCK = 28, 10, 500
IMAGES_MAGIC, LABELS_MAGIC = 0x803, 0x801


def write(folder, count):
    """The paths of the images and of their labels."""
    images, labels = folder / "images-idx3-ubyte", folder / "labels-idx1-ubyte"
    draw = random.Random(1)
    with images.open("wb") as file:
        file.write(struct.pack(">IIII", IMAGES_MAGIC, count, SIDE, SIDE))
        for start in range(0, count, BLOCK):
            file.write(draw.randbytes(min(BLOCK, count - start) * SIDE * SIDE))
    labels.write_bytes(struct.pack(">II", LABELS_MAGIC, count) + bytes(index % CLASSES for index in range(count)))
    return images, labels


def source(folder, count):
    """The settings under `data` that read files written into `folder`."""
    images, labels = write(folder, count)
    return f"source = 'idx', images = '{images}', labels = '{labels}'"
