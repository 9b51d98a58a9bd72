"""Weights after 20 steps of every optimizer on a small network, in f64, for tests/it/optimizers.rs.

Made with PyTorch 2.15: python optimizers.py > fixtures/optimizers.json
"""

import json

import torch

# NAdam keeps the product of its momenta in the default type.
torch.set_default_dtype(torch.float64)

STEPS = 20
LR = 0.01


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al., "Symbolic discovery of optimization algorithms", 2023."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (first, second), lr, decay = group["betas"], group["lr"], group["weight_decay"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = torch.sign(first * m + (1 - first) * p.grad)
                p.sub_(lr * (update + decay * p))
                m.copy_(second * m + (1 - second) * p.grad)


KINDS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "lion": Lion,
}

CASES = [
    ("sgd", dict(lr=0.1)),
    ("sgd", dict(lr=0.05, momentum=0.9, dampening=0.2, weight_decay=0.1)),
    ("sgd", dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1)),
    ("adam", dict()),
    ("adam", dict(lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1, amsgrad=True)),
    ("adamw", dict(lr=0.02)),
    ("nadam", dict()),
    ("nadam", dict(lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1, momentum_decay=0.1)),
    ("radam", dict(lr=0.02)),
    ("radam", dict(lr=0.02, betas=(0.8, 0.7), eps=1e-4, weight_decay=0.1)),
    ("rmsprop", dict()),
    ("rmsprop", dict(lr=0.005, alpha=0.9, eps=1e-4, weight_decay=0.1, momentum=0.8)),
    ("rmsprop", dict(lr=0.005, alpha=0.9, eps=1e-3, centered=True)),
    ("rmsprop", dict(lr=0.005, eps=1e-3, weight_decay=0.1, momentum=0.8, centered=True)),
    ("adagrad", dict()),
    ("adagrad", dict(lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.2, eps=1e-4)),
    ("adadelta", dict()),
    ("adadelta", dict(lr=0.5, rho=0.8, eps=1e-4, weight_decay=0.1)),
    ("lion", dict(lr=0.01)),
    ("lion", dict(lr=0.01, betas=(0.8, 0.95), weight_decay=0.3)),
]


def toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value)


def network():
    sizes = [(5, 8), (8, 6), (6, 3)]
    layers = []
    for index, (inputs, outputs) in enumerate(sizes):
        layers += [torch.nn.Linear(inputs, outputs)] + ([torch.nn.Tanh()] if index < 2 else [])
    model = torch.nn.Sequential(*layers)
    with torch.no_grad():
        for index, p in enumerate(model.parameters()):
            wave = torch.sin(torch.arange(1, p.numel() + 1) * 0.7 + index)
            p.copy_(0.6 * wave.reshape(p.shape))
    return model


def train(optimizer, model, after_step=lambda: None):
    x = torch.cos(torch.arange(80) * 0.9).reshape(16, 5)
    y = torch.arange(16) % 3
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        after_step()
    weights = torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()
    return [float(f"{weight:.13g}") for weight in weights]


def case(config, scheduler, weights):
    return {"optimizer": config, "scheduler": scheduler, "weights": weights}


def plain(kind, options):
    model = network()
    weights = train(KINDS[kind](model.parameters(), **options), model)
    lines = [f"kind = '{kind}'"] + [f"{key} = {toml(value)}" for key, value in options.items()]
    return case("\n".join(lines), "", weights)


def grouped(kind):
    """Groups with a rate and a decay of their own, and no decay of biases elsewhere, under a cosine a step."""
    model = network()
    first = [model[0].weight, model[0].bias]
    second = [model[2].weight]
    others = [model[4].weight]
    biases = [model[2].bias, model[4].bias]
    optimizer = KINDS[kind](
        [
            dict(params=others, lr=LR, weight_decay=0.2),
            dict(params=biases, lr=LR, weight_decay=0.0),
            dict(params=second, lr=LR, weight_decay=0.5),
            dict(params=[first[0]], lr=0.003, weight_decay=0.2),
            dict(params=[first[1]], lr=0.003, weight_decay=0.0),
        ]
    )
    # One step an epoch.
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS, eta_min=1e-4)
    weights = train(optimizer, model, scheduler.step)
    config = (
        f"kind = '{kind}'\nlr = {LR}\nweight_decay = 0.2\ndecay_bias = false\n"
        "groups = [{ match = 'layers.0', lr = 0.003 }, { match = 'layers.2.weight', weight_decay = 0.5 }]"
    )
    return case(config, "kind = 'cosine'\neta_min = 1e-4", weights)


def cycled(kind, options):
    model = network()
    groups = [dict(params=model[0].parameters(), lr=LR / 2), dict(params=list(model.parameters())[2:])]
    optimizer = KINDS[kind](groups, lr=LR, **options)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, [0.01, 0.02], total_steps=STEPS)
    # The last step of the scheduler would be beyond the end.
    left = iter(range(STEPS - 1))
    weights = train(optimizer, model, lambda: scheduler.step() if next(left, None) is not None else None)
    lines = [f"kind = '{kind}'", f"lr = {LR}"] + [f"{key} = {toml(value)}" for key, value in options.items()]
    lines.append(f"groups = [{{ match = 'layers.0', lr = {LR / 2} }}]")
    return case("\n".join(lines), "kind = 'one_cycle'\nmax_lr = 0.02", weights)


cases = [plain(kind, options) for kind, options in CASES]
cases += [grouped(kind) for kind in KINDS]
cases += [cycled(kind, {}) for kind in ["sgd", "adam", "adamw", "nadam", "radam", "rmsprop", "lion"]]
cases += [cycled("sgd", dict(momentum=0.9, nesterov=True))]
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")
