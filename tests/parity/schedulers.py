"""Rates of every scheduler over a training, for src/scheduler/parity.rs.

Made with PyTorch 2.15: python schedulers.py > fixtures/schedulers.json

A training has 12 epochs of 4 steps. The rates are those of every step, for two groups whose rates are set to 0.1 and
0.02. A warm-up is the hand-written line from 0 to the first rate of the schedule, which starts behind it.
"""

import itertools
import json
import math

import torch
from torch.optim import lr_scheduler as schedulers

EPOCHS, PER_EPOCH = 12, 4
RATES = [0.1, 0.02]
PLATEAU = [1.0, 0.8, 0.79995, 0.81, 0.85, 0.7, 0.72, 0.71, 0.705, 0.7001, 0.9, 0.6]


def sgd():
    one = lambda: torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    groups = [dict(params=[one()], lr=rate) for rate in RATES]
    return torch.optim.SGD(groups, lr=RATES[0], momentum=0.9)


def now(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def by_epoch(make, epochs, step=lambda scheduler, epoch: scheduler.step()):
    optimizer = sgd()
    scheduler = make(optimizer, epochs)
    rates = []
    for epoch in range(epochs):
        rates += [now(optimizer)] * PER_EPOCH
        optimizer.step()
        step(scheduler, epoch)
    return rates, None


def by_step(make, steps):
    optimizer = sgd()
    scheduler = make(optimizer, steps)
    rates, momenta = [], []
    for step in range(steps):
        rates.append(now(optimizer))
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    return rates, momenta


def plateau(**options):
    history = options.pop("history", PLATEAU)
    return lambda epochs: by_epoch(
        lambda optimizer, _: schedulers.ReduceLROnPlateau(optimizer, **options),
        epochs,
        lambda scheduler, epoch: scheduler.step(history[len(history) - epochs + epoch]),
    )


def cycle(**options):
    return lambda steps: by_step(
        lambda optimizer, total: schedulers.OneCycleLR(
            optimizer, [0.3, 0.3 * RATES[1] / RATES[0]], total_steps=total, **options
        ),
        steps,
    )


def curve(make):
    return lambda epochs: by_epoch(make, epochs)


CASES = [
    ("kind = 'constant'", curve(lambda o, n: schedulers.ConstantLR(o, factor=1.0)), []),
    ("kind = 'lambda'\nexpression = '0.95 ^ epoch'", curve(lambda o, n: schedulers.LambdaLR(o, lambda e: 0.95**e)), []),
    (
        "kind = 'lambda'\nexpression = '1 / (1 + sqrt(epoch)) + 0.1 * abs(sin(epoch * PI / 3))'",
        curve(lambda o, n: schedulers.LambdaLR(o, lambda e: 1 / (1 + math.sqrt(e)) + 0.1 * abs(math.sin(e * math.pi / 3)))),
        [],
    ),
    ("kind = 'step'\nstep_size = 3", curve(lambda o, n: schedulers.StepLR(o, 3)), []),
    ("kind = 'step'\nstep_size = 4\ngamma = 0.5", curve(lambda o, n: schedulers.StepLR(o, 4, gamma=0.5)), []),
    ("kind = 'multi_step'\nmilestones = [2, 5, 9]", curve(lambda o, n: schedulers.MultiStepLR(o, [2, 5, 9])), []),
    (
        "kind = 'multi_step'\nmilestones = [0, 1, 7]\ngamma = 0.5",
        curve(lambda o, n: schedulers.MultiStepLR(o, [0, 1, 7], gamma=0.5)),
        [],
    ),
    ("kind = 'exponential'\ngamma = 0.9", curve(lambda o, n: schedulers.ExponentialLR(o, 0.9)), []),
    ("kind = 'linear'", curve(lambda o, n: schedulers.LinearLR(o, total_iters=n)), []),
    (
        "kind = 'linear'\nstart_factor = 1\nend_factor = 0.1\ntotal_iters = 5",
        curve(lambda o, n: schedulers.LinearLR(o, 1.0, 0.1, total_iters=5)),
        [],
    ),
    ("kind = 'polynomial'", curve(lambda o, n: schedulers.PolynomialLR(o, total_iters=n)), []),
    (
        "kind = 'polynomial'\ntotal_iters = 8\npower = 2.5",
        curve(lambda o, n: schedulers.PolynomialLR(o, total_iters=8, power=2.5)),
        [],
    ),
    ("kind = 'cosine'", curve(lambda o, n: schedulers.CosineAnnealingLR(o, n)), []),
    ("kind = 'cosine'\nt_max = 4\neta_min = 0.01", curve(lambda o, n: schedulers.CosineAnnealingLR(o, 4, eta_min=0.01)), []),
    ("kind = 'cosine'\nt_max = 3", curve(lambda o, n: schedulers.CosineAnnealingLR(o, 3)), []),
    ("kind = 'cosine_warm_restarts'\nt_0 = 5", curve(lambda o, n: schedulers.CosineAnnealingWarmRestarts(o, 5)), []),
    (
        "kind = 'cosine_warm_restarts'\nt_0 = 2\nt_mult = 2\neta_min = 0.001",
        curve(lambda o, n: schedulers.CosineAnnealingWarmRestarts(o, 2, T_mult=2, eta_min=0.001)),
        [],
    ),
    ("kind = 'one_cycle'\nmax_lr = 0.3", cycle(), None),
    ("kind = 'one_cycle'\nmax_lr = 0.3\nanneal_strategy = 'linear'\nthree_phase = true\npct_start = 0.25",
     cycle(anneal_strategy="linear", three_phase=True, pct_start=0.25), None),
    ("kind = 'one_cycle'\nmax_lr = 0.3\nthree_phase = true\nbase_momentum = 0.5\nmax_momentum = 0.9\ndiv_factor = 10\nfinal_div_factor = 100",
     cycle(three_phase=True, base_momentum=0.5, max_momentum=0.9, div_factor=10, final_div_factor=100), None),
    ("kind = 'one_cycle'\nmax_lr = 0.3\ncycle_momentum = false\npct_start = 0.0", cycle(cycle_momentum=False, pct_start=0.0), None),
    ("kind = 'one_cycle'\nmax_lr = 0.3\npct_start = 1.0", cycle(pct_start=1.0), None),
    ("kind = 'reduce_on_plateau'\npatience = 0", plateau(patience=0), PLATEAU),
    ("kind = 'reduce_on_plateau'\npatience = 1\nfactor = 0.5\ncooldown = 2", plateau(patience=1, factor=0.5, cooldown=2), PLATEAU),
    ("kind = 'reduce_on_plateau'\npatience = 1\nthreshold = 0.05\nthreshold_mode = 'abs'\nmin_lr = 0.004",
     plateau(patience=1, threshold=0.05, threshold_mode="abs", min_lr=0.004), PLATEAU),
    ("kind = 'reduce_on_plateau'\nmonitor = 'valid_accuracy'\npatience = 1\nfactor = 0.3\nthreshold = 0.01\neps = 1e-3",
     plateau(mode="max", patience=1, factor=0.3, threshold=0.01, eps=1e-3, history=[1 - v for v in PLATEAU]), [1 - v for v in PLATEAU]),
    ("kind = 'reduce_on_plateau'\nmonitor = 'valid_accuracy'\npatience = 0\nthreshold = 0.02\nthreshold_mode = 'abs'\ncooldown = 1",
     plateau(mode="max", patience=0, threshold=0.02, threshold_mode="abs", cooldown=1, history=[1 - v for v in PLATEAU]), [1 - v for v in PLATEAU]),
]
# Of the training: in epochs, in whole epochs of steps, and into the middle of an epoch.
WARMUPS = [("", 0), ("\nwarmup = { epochs = 3 }", 12), ("\nwarmup = { steps = 8 }", 8), ("\nwarmup = { steps = 10 }", 10)]


def case(config, make, history, warmup, steps):
    total = EPOCHS * PER_EPOCH
    if history is None:
        rates, momenta = make(total - steps)
    else:
        # The schedule's first epoch is the one in which the warm-up ends.
        rates, momenta = make(EPOCHS - steps // PER_EPOCH)
        rates = rates[steps % PER_EPOCH :]
    first = rates[0]
    rates = [[rate * step / steps for rate in first] for step in range(steps)] + rates
    if momenta:
        momenta = [momenta[0]] * steps + momenta
    if "cycle_momentum = false" in config:
        momenta = None
    return {
        "config": config + warmup,
        "history": history or [],
        "rates": [runs(column) for column in zip(*rates)],
        "momenta": momenta and runs(momenta),
    }


def runs(values):
    """Equal values in a row as one, with how many there are."""
    return [[float(f"{value:.12g}"), len(list(group))] for value, group in itertools.groupby(values)]


cases = [case(*one, *warmup) for one in CASES for warmup in WARMUPS]
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")
