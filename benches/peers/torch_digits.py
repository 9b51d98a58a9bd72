"""A training of the digits sweep in PyTorch, which leaves what a careful script leaves: a table, the best weights, a result.

Everything in it is what runs fastest here: one thread, the fused optimizer, images in memory as floats, no DataLoader,
losses read once an epoch; the images are read once a process. A module of its own, so that processes can share it.
"""

import copy
import csv
import functools
import json

import torch
from torch import nn

PARTS = {"train": 1078, "valid": 359, "test": 360}
WIDTH, CLASSES, BRIGHTEST = 64, 10, 16


@functools.cache
def digits():
    """Images and labels of each part; the split is the same for every run."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images, labels = torch.tensor(images, dtype=torch.float32) / BRIGHTEST, torch.tensor(labels)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return {part: (images[rows], labels[rows]) for part, rows in zip(PARTS, order.split(list(PARTS.values())))}


def network(hidden, dropout):
    layers, fan_in = [], WIDTH
    for width in hidden:
        layers += [nn.Linear(fan_in, width), nn.LeakyReLU(0.01)]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        fan_in = width
    return nn.Sequential(*layers, nn.Linear(fan_in, CLASSES))


def train_epoch(model, optimizer, images, labels, batch_size):
    """Mean loss and accuracy over the samples, in training mode."""
    model.train()
    loss_sum, hits = torch.zeros(()), torch.zeros((), dtype=torch.long)
    for rows in torch.randperm(len(labels)).split(batch_size):
        targets = labels[rows]
        outputs = model(images[rows])
        loss = nn.functional.cross_entropy(outputs, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(rows)
        hits += (outputs.detach().argmax(1) == targets).sum()
    return loss_sum.item() / len(labels), hits.item() / len(labels)


@torch.inference_mode()
def evaluate(model, images, labels):
    model.eval()
    outputs = model(images)
    return nn.functional.cross_entropy(outputs, labels).item(), (outputs.argmax(1) == labels).float().mean().item()


def train(config, folder):
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    parts = digits()
    model = network(config.hidden, config.dropout)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr, fused=True)
    best, best_weights = {"valid_loss": float("inf")}, None
    with open(f"{folder}/metrics.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy"])
        for epoch in range(1, config.epochs + 1):
            train_loss, train_accuracy = train_epoch(model, optimizer, *parts["train"], config.batch_size)
            valid_loss, valid_accuracy = evaluate(model, *parts["valid"])
            table.writerow([epoch, train_loss, valid_loss, train_accuracy, valid_accuracy])
            if valid_loss < best["valid_loss"]:
                best = {"epoch": epoch, "valid_loss": valid_loss, "valid_accuracy": valid_accuracy}
                best_weights = copy.deepcopy(model.state_dict())
    torch.save(best_weights, f"{folder}/best.pt")
    model.load_state_dict(best_weights)
    _, test_accuracy = evaluate(model, *parts["test"])
    with open(f"{folder}/result.json", "w") as file:
        json.dump({"best": best, "test_accuracy": test_accuracy}, file)

