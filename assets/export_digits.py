"""Writes the digits of scikit-learn as two gzipped IDX files beside this script.

    python assets/export_digits.py

Made with scikit-learn 1.9.1. The output depends on nothing but the data: the gzip header has no name and no time.
"""

import gzip
import pathlib
import struct

import numpy
from sklearn.datasets import load_digits

FOLDER = pathlib.Path(__file__).parent


def write(name, values):
    """One IDX file of unsigned bytes (type 8): magic, big-endian dimensions, values in row-major order."""
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    data = header + values.astype(numpy.uint8).tobytes()
    (FOLDER / name).write_bytes(gzip.compress(data, compresslevel=9, mtime=0))


digits = load_digits()
assert digits.images.min() == 0 and digits.images.max() == 16
assert (digits.images == digits.images.round()).all()
write("digits-images-idx3-ubyte.gz", digits.images)
write("digits-labels-idx1-ubyte.gz", digits.target)
