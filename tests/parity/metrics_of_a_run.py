"""Computes a run's test metrics again with scikit-learn and compares them with its run.json.

    python tests/parity/metrics_of_a_run.py RUN_FOLDER

Run by hand, with numpy and scikit-learn installed. It reads predictions.csv and run.json, and prints the largest
difference of every number that both know: precision, recall, F1, AUC (macro and of each class), accuracy and the
confusion matrix of classes; R², errors and cosine similarity of numbers. Numbers above 1, as errors may be in their
unit, count relative to their size: predictions are single precision. It ends with 1 if one is above 1e-6.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
from sklearn import metrics

TOLERANCE = 1e-6
PREFIX = "probability_"


def of_classes(header, rows, record):
    names = [column.removeprefix(PREFIX) for column in header[3:]]
    labels = range(len(names))
    position = {name: index for index, name in enumerate(names)}
    target = np.array([position[row[1]] for row in rows])
    predicted = np.array([position[row[2]] for row in rows])
    probabilities = np.array([[float(cell) for cell in row[3:]] for row in rows])
    macro = {"labels": labels, "average": "macro", "zero_division": 0}
    areas = [metrics.roc_auc_score(target == label, probabilities[:, label]) for label in labels]
    yield "accuracy", metrics.accuracy_score(target, predicted), record["test"].get("accuracy")
    yield "precision", metrics.precision_score(target, predicted, **macro), record["test"].get("precision")
    yield "recall", metrics.recall_score(target, predicted, **macro), record["test"].get("recall")
    yield "f1", metrics.f1_score(target, predicted, **macro), record["test"].get("f1")
    yield "auc", areas[1] if len(names) == 2 else np.mean(areas), record["test"].get("auc")
    matrix = metrics.confusion_matrix(target, predicted, labels=labels)
    yield "confusion matrix", matrix, record["confusion_matrix"]["counts"]
    each = metrics.precision_recall_fscore_support(target, predicted, labels=labels, zero_division=0)
    for key, values in zip(["precision", "recall", "f1", "support"], each):
        yield f"{key} of each class", values, [found[key] for found in record["per_class"]]
    yield "auc of each class", areas, [found["auc"] for found in record["per_class"]]


def of_numbers(rows, record):
    target, predicted = (np.array([float(row[column]) for row in rows]) for column in (1, 2))
    lengths = np.linalg.norm(target) * np.linalg.norm(predicted)
    test = record["test"]
    yield "mse", metrics.mean_squared_error(target, predicted), test.get("mse")
    yield "rmse", metrics.root_mean_squared_error(target, predicted), test.get("rmse")
    yield "mae", metrics.mean_absolute_error(target, predicted), test.get("mae")
    yield "r2", metrics.r2_score(target, predicted), test.get("r2")
    yield "cosine_similarity", target @ predicted / lengths, test.get("cosine_similarity")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the folder of a completed run")
    run = parser.parse_args().run
    record = json.loads((run / "run.json").read_text())
    with open(run / "predictions.csv", newline="") as file:
        header, *rows = csv.reader(file)
    computed = of_classes(header, rows, record) if len(header) > 3 else of_numbers(rows, record)
    worst = 0.0
    for name, expected, found in computed:
        if found is None:
            print(f"{name:24} not in run.json")
            continue
        found, expected = (np.array(numbers, dtype=float) for numbers in (found, expected))
        difference = np.nanmax(np.abs(found - expected) / np.maximum(1.0, np.abs(expected)), initial=0.0)
        if (np.isnan(found) != np.isnan(expected)).any():
            difference = np.inf
        worst = max(worst, difference)
        print(f"{name:24} differs by {difference:.3g}")
    print(f"{'the worst of all':24} {worst:.3g}")
    sys.exit(int(worst > TOLERANCE))


if __name__ == "__main__":
    main()
