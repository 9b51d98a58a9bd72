"""Milliseconds of a training step beside PyTorch's best variant, one after the other in alternation.

    python benches/peers/steps.py [--rounds N] [--threads N] [CASE ...]
"""

import argparse
import pathlib
import statistics
import subprocess
import sys

import ours

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 3.0
EPOCHS = {"mlp_batch_norm": 9, "mlp_dropout": 9, "cnn_3x32x32": 6, "cnn_1x28x28": 10, "lstm": 10, "gru": 10, "embedding_bilstm": 6}


def variants(case, compiled):
    found = [(), ("--fused",)]
    if case.startswith("cnn"):
        found.append(("--fused", "--channels-last"))
    if compiled:
        found.append(("--fused", "--compile"))
    return found


def pytorch(case, threads, flags):
    command = [sys.executable, HERE / "torch_step.py", case, str(SECONDS), "--threads", str(threads), *flags]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(ours.MODEL))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="torch.compile as a variant too, which takes minutes")
    chosen = parser.parse_args()
    print(f"milliseconds a step, {chosen.threads} thread(s), medians of {chosen.rounds} alternating rounds")
    print(f"{'':18} {'ours':>7} {'best':>7} {'ratio':>6}   PyTorch by variant")
    for case in chosen.cases:
        names = variants(case, chosen.compile)
        own, peers = [], {flags: [] for flags in names}
        for _ in range(chosen.rounds):
            own.append(ours.step_milliseconds(case, EPOCHS[case], chosen.threads))
            for flags in names:
                peers[flags].append(pytorch(case, chosen.threads, flags))
        own, peers = statistics.median(own), {flags: statistics.median(times) for flags, times in peers.items()}
        best = min(peers.values())
        listed = ", ".join(f"{' '.join(flags).replace('--', '') or 'eager'} {ms:.2f}" for flags, ms in peers.items())
        print(f"{case:18} {own:7.2f} {best:7.2f} {own / best:6.2f}   {listed}", flush=True)


if __name__ == "__main__":
    main()
