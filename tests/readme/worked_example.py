"""Recomputes the worked example of docs/scoring.md from its inputs and the model's figures with
nothing of the product, and wants every figure in the text."""
import re
import sys
from math import exp, gamma, log, log1p, pi, sqrt
from statistics import NormalDist

text = open(sys.argv[1], encoding="utf-8").read()
text = text[text.index("## A session by hand") : text.index("## Learning")].replace("−", "-")
missing = []


def told(what, value, digits):
    figure = f"{value:.{digits}f}"
    if not re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", text):
        missing.append(f"{what}: {figure}")


def t_cdf(t, n):
    """Student's t by integration of its density, Simpson's rule."""
    steps, width = 20000, abs(t) / 20000
    total = sum(
        (1 if i in (0, steps) else 4 if i % 2 else 2) * (1 + (i * width) ** 2 / n) ** (-(n + 1) / 2)
        for i in range(steps + 1)
    )
    half = total * width / 3 * gamma((n + 1) / 2) / (sqrt(n * pi) * gamma(n / 2))
    return 0.5 + half if t > 0 else 0.5 - half


def z(x, mean0, sd0, n=0, mean=0.0):
    k, v = 2 + n, 4 + n
    middle = (2 * mean0 + n * mean) / k
    variance = (4 * sd0**2 + (2 * n / k) * (mean - mean0) ** 2) / v
    t = (x - middle) / sqrt(variance * (1 + 1 / k))
    return t, NormalDist().inv_cdf(t_cdf(t, v)), middle, sqrt(variance)


sigma = lambda x: 1 / (1 + exp(-x))
# weight, value, population mean and sd: the table of model v1.0
words = {
    "wellness_score": (-0.30, 38, 70, 15),
    "sentiment_negative": (0.25, 0.71, 0.2, 0.15),
    "sentiment_positive": (-0.15, 0.08, 0.4, 0.2),
    "sentiment_neutral": (0.05, 0.21, 0.4, 0.2),
    "mood_indicator_count": (0.05, log1p(2), 1.25, 0.5),
    "sentiment_confidence": (0, 0.86, 0.8, 0.12),
}
sensors = {"wellness_score": (-0.25, 80, 70, 15), "steps": (-0.20, 9000, 5931, 3664)}
raw = {}
for name, features in ("text", words), ("passive", sensors):
    raw[name] = 0.0
    for feature, (weight, value, mean, sd) in features.items():
        t, score, *_ = z(value, mean, sd)
        raw[name] += weight * score
        told(f"{name}.{feature}", score, 3)
        if (name, feature) == ("text", "wellness_score"):
            told("t", t, 4)
            told("T4", t_cdf(t, 4), 4)
    told(f"raw {name}", raw[name], 4)

rate = log(0.25 / 0.75)
r = {"text": 0.80 / 1.25, "passive": 0.8 * 0.45 / 1.80}
squares = r["text"] ** 2 + r["passive"] ** 2
together = squares + 2 * 0.1 * r["text"] * r["passive"]
kappa = squares / together
total = rate + kappa * sum(r[m] * raw[m] for m in r)
told("own rate", rate, 4), told("r'r", squares, 4), told("r'Rr", together, 4), told("kappa", kappa, 4)
told("L", total, 4), told("p", sigma(total), 4)

variance = {m: 0.09 * raw[m] ** 2 + 0.25 for m in r}
calibration = kappa**2 * sum(r[m] ** 2 * variance[m] for m in r)
weight = sum(r.values())
middle = sum(r[m] * raw[m] for m in r) / weight
spread = sum(r[m] * (raw[m] - middle) ** 2 for m in r) / weight / (weight**2 / together)
coverage = (r["text"] * 1 + r["passive"] * 0.5) / 1.5
whole = calibration + spread + 1 - coverage
low, high = sigma(total - 1.6449 * sqrt(whole)), sigma(total + 1.6449 * sqrt(whole))
for what, value in (("v text", variance["text"]), ("v passive", variance["passive"]), ("calibration", calibration),
                    ("disagreement", spread), ("coverage", coverage), ("missing", 1 - coverage), ("V", whole),
                    ("mean", middle), ("spread", sum(r[m] * (raw[m] - middle) ** 2 for m in r) / weight),
                    ("k_eff", weight**2 / together), ("lower end", total - 1.6449 * sqrt(whole)),
                    ("upper end", total + 1.6449 * sqrt(whole)), ("low", low), ("high", high), ("uncertainty", high - low)):
    told(what, value, 4)

y = 100 * (1 - sigma(total))
noise = (100 * (high - low) / 3.2897) ** 2
gain = 400 / (400 + noise)
told("y", y, 2), told("r_s", noise, 1), told("K", gain, 4), told("level", 75 + gain * (y - 75), 2), told("P", (1 - gain) * 400, 1)

t, score, middle, sd = z(55, 70, 15, 1, 38)
told("second mean", middle, 2), told("second sd", sd, 2), told("second t", t, 4), told("second z", score, 3)
if missing:
    sys.exit("docs/scoring.md does not say\n  " + "\n  ".join(missing))
print("docs/scoring.md's session by hand says what its formulas give")
