"""24 fits of scikit-learn's MLPClassifier of the digits sweep's sizes, two at a time; prints the fits' accuracies.

    OMP_NUM_THREADS=1 python benches/peers/sklearn_digits.py [--jobs N]

It has no dropout: the penalty `alpha` is swept in its place. Processes (joblib's default) are quicker than threads here.
"""

import argparse
import itertools
import json
import warnings

from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

ALPHAS, RATES, SEEDS = [0.0, 1e-4, 1e-3, 1e-2], [1e-3, 3e-3], [42, 43, 44]
EPOCHS, BRIGHTEST, TRAINED, VALIDATED = 20, 16, 1078, 359


def fit(parts, alpha, rate, seed):
    train, valid, train_labels, valid_labels = parts
    classifier = MLPClassifier(
        hidden_layer_sizes=(54, 44, 34, 24),
        alpha=alpha,
        learning_rate_init=rate,
        random_state=seed,
        batch_size=32,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
    )
    # That 20 epochs are not the end of it is known.
    warnings.simplefilter("ignore", ConvergenceWarning)
    classifier.fit(train, train_labels)
    return classifier.score(valid, valid_labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    images, labels = load_digits(return_X_y=True)
    images = (images / BRIGHTEST).astype("float32")
    parts = train_test_split(images, labels, train_size=TRAINED, test_size=VALIDATED, random_state=0)
    with parallel_config("loky", n_jobs=chosen.jobs, inner_max_num_threads=1):
        fits = Parallel()(delayed(fit)(parts, *values) for values in itertools.product(ALPHAS, RATES, SEEDS))
    print(json.dumps(fits))


if __name__ == "__main__":
    main()
