#!/usr/bin/env python3
"""Numbers that tests of server/finetune expect, from scipy and scikit-learn.

Prints the p-values of McNemar's test for comparison_test.cc, and quality,
temperature, precision, recall and confusion of generated logits for
evaluation_test.cc.

    tests/oracle/evaluation_golden.py
"""
import numpy as np
from scipy import optimize, special, stats
from sklearn import metrics

PAIRS = [(0, 5), (1, 9), (2, 10), (5, 6), (10, 30), (40, 75), (1000, 1100),
         (9000, 9500), (500000, 502000), (0, 60), (0, 1000)]


def logits(examples, classes):
    i, j = np.meshgrid(np.arange(examples), np.arange(classes), indexing="ij")
    values = (i * 37 + j * 101 + (i * j) % 7 * 13) % 97 / 8.0 - 6.0
    labels = (np.arange(examples) * 5 + np.arange(examples) % 3) % classes
    values[np.arange(examples), labels] += 5.0
    return values, labels


def quality(values, labels, temperature):
    probabilities = special.softmax(values / temperature, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    right = order[:, 0] == labels
    confidence = probabilities.max(axis=1)
    bins = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    error = sum(abs(confidence[bins == b].sum() - right[bins == b].sum())
                for b in range(15)) / len(labels)
    return {
        "correct": int(right.sum()),
        "top5": float((order[:, :5] == labels[:, None]).any(axis=1).mean()),
        "loss": float(cross_entropy(values, labels, temperature)),
        "confidence": float(confidence.mean()),
        "calibration": float(error),
    }


def cross_entropy(values, labels, temperature):
    scaled = values / temperature
    return np.mean(special.logsumexp(scaled, axis=1)
                   - scaled[np.arange(len(labels)), labels])


def main():
    for b, c in PAIRS:
        print(b, c, repr(float(stats.binomtest(b, b + c, 0.5).pvalue)))
    values, labels = logits(200, 12)
    for temperature in (1.0, 2.5):
        print(temperature, quality(values, labels, temperature))
    best = optimize.minimize_scalar(
        lambda t: cross_entropy(values, labels, t), bounds=(0.1, 10),
        method="bounded", options={"xatol": 1e-12})
    print("temperature", best.x)
    predicted = np.argmax(values, axis=1)
    precision, recall, _, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(12), zero_division=0)
    for row in zip(range(12), support, precision, recall, strict=True):
        print("class", *map(float, row))
    cells = metrics.confusion_matrix(labels, predicted, labels=range(12))
    wrong = [(int(cells[i, j]), i, j) for i in range(12) for j in range(12)
             if i != j and cells[i, j]]
    print("confused", sorted(wrong, key=lambda cell: -cell[0])[:4], len(wrong))


if __name__ == "__main__":
    main()
