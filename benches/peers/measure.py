"""Processes, the time and the memory that they take, and tables of it. Nothing here knows who is compared."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

MEGABYTE = 1e6
# Linux counts the peak in kibibytes, macOS in bytes.
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024


class Ended(NamedTuple):
    """What a process that has ended took: seconds of wall time, bytes at its peak, and what it printed."""

    seconds: float
    peak: int
    output: str


class Process:
    """A process that runs. Its peak is never below this program's own, which is why this one imports so little."""

    def __init__(self, command, folder=None):
        self.complaints = tempfile.TemporaryFile("w+")
        self.started = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.complaints, text=True, cwd=folder)

    def wait(self):
        output = self.process.stdout.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        seconds = time.perf_counter() - self.started
        self.process.stdout.close()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        with self.complaints as complaints:
            if self.process.returncode != 0:
                complaints.seek(0)
                sys.exit(f"{' '.join(map(str, self.process.args))} failed:\n{complaints.read()}")
        return Ended(seconds, usage.ru_maxrss * PEAK_UNIT, output)


def run(*command, folder=None):
    """Runs a command in a folder (this one, if none is named)."""
    return Process(command, folder).wait()


def at_once(*commands):
    """Starts all of them, then waits for all."""
    return [process.wait() for process in [Process(command) for command in commands]]


def alternate(rounds, **sides):
    """What each side (a function) returns, by its name: a list with an entry a round; the sides take turns."""
    found = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            found[name].append(side())
    return found


def median(values):
    return statistics.median(values)


def medians(found):
    return {name: median(values) for name, values in found.items()}


def best(of):
    """The name and the value of the smallest."""
    return min(of.items(), key=lambda pair: pair[1])


def line(cells, widths):
    name, *others = cells
    return "| " + " | ".join([name.ljust(widths[0]), *map(str.rjust, others, widths[1:])]) + " |"


def rule(widths):
    """What makes the first column begin at the left and the others end at the right."""
    return "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"


def table(title, columns, rows, note=""):
    """Prints a Markdown table; the first column holds names, the others hold numbers or texts."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in [columns, *rows]) for index in range(len(columns))]
    lines = [line(columns, widths), rule(widths), *(line(row, widths) for row in rows)]
    print("\n".join([f"### {title}", "", *lines, ""]))
    if note:
        print(f"{note}\n")
    sys.stdout.flush()


def count(number):
    return f"{number:,}".replace(",", " ")
