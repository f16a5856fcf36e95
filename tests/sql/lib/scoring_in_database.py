"""Expected numbers of tests/sql/scoring_in_database.sql, from SCORING.md (docs/scoring.md) alone.

Needs scipy. Shares nothing with the extension: no code, no table, only the inputs that the test
inserts. Prints the rows that stand in the test.
"""
from math import exp, log, log1p, sqrt

from scipy.stats import norm, t as student

KAPPA0, NU0, CLIP_SD, CLIP_N, Z_LIMIT = 2, 4, 3, 5, 4
PRIOR_RATE, PRIOR_STRENGTH, MISS_VAR, RHO = 0.25, 4, 1.0, 0.2
Q, R_MIN, P0 = 1.0, 36, 400
Z90 = 1.6448536269514722

# name: modality, weight, population mean, population sd
FEATURES = {
    "text.negative": ("text", 0.6, 0.2, 0.15),
    "text.wellness": ("text", -0.5, 70, 15),
    "text.transcripts": ("text", 0.3, 1.0, 0.4),
    "audio.pitch": ("audio", 0.4, 165, 49),
    "audio.wellness": ("audio", -0.7, 70, 15),
    "visual.expressiveness": ("visual", -0.8, 0.5, 0.18),
}
INTERCEPT = {"text": 0.1, "audio": 0.0, "visual": -0.2}
RELIABILITY = {"text": 0.9, "audio": 1.0, "visual": 0.8}
EXPECTED = {
    "text": {"full": 1, "quick": 1, "voice-only": 0.5},
    "audio": {"full": 1, "quick": 0, "voice-only": 2},
    "visual": {"full": 1, "quick": 0, "voice-only": 0},
}
PRIOR = {"text": (1, None, 0.3, 0.5), "audio": (1.2, -0.9, 0.2, 0.4), "visual": (1, None, 0.3, 0.5)}

logit = lambda p: log(p / (1 - p))
sigma = lambda x: 1 / (1 + exp(-x))


class Baseline:
    def __init__(self):
        self.n, self.mean, self.m2 = 0, 0.0, 0.0

    def sd(self):
        return sqrt(self.m2 / (self.n - 1)) if self.n >= 2 else None

    def learn(self, x):
        sd = self.sd()
        if self.n >= CLIP_N and sd:
            x = min(max(x, self.mean - CLIP_SD * sd), self.mean + CLIP_SD * sd)
        self.n += 1
        d = x - self.mean
        self.mean += d / self.n
        self.m2 += d * (x - self.mean)

    def z(self, x, mu0, s0):
        n = self.n
        k, v = KAPPA0 + n, NU0 + n
        mu = (KAPPA0 * mu0 + n * self.mean) / k
        s2 = (NU0 * s0**2 + self.m2 + (KAPPA0 * n / k) * (self.mean - mu0) ** 2) / v
        tt = (x - mu) / sqrt(s2 * (1 + 1 / k))
        z = norm.ppf(student.cdf(tt, v)) if tt < 0 else -norm.ppf(student.sf(tt, v))
        return min(max(z, -Z_LIMIT), Z_LIMIT)


class Person:
    def __init__(self):
        self.features = {f: Baseline() for f in FEATURES}
        self.combined = Baseline()
        self.state = None  # level, variance, day
        self.fused = 0
        self.calibration = {}


def evidence(person, modality, values, quality, l_u):
    """raw, logit, p, reliability, variance of logit"""
    raw, present = INTERCEPT[modality], 0.0
    whole = sum(abs(w) for m, w, _, _ in FEATURES.values() if m == modality)
    for f, (m, w, mu0, s0) in FEATURES.items():
        if m == modality and f in values:
            raw += w * person.features[f].z(values[f], mu0, s0)
            present += abs(w)
    if modality in person.calibration:
        a, b, (va, cov, vb) = person.calibration[modality]
    else:
        a, b, sa, sb = PRIOR[modality]
        b = l_u if b is None else b
        va, cov, vb = sa**2, 0, sb**2
    l = a * raw + b
    return dict(raw=raw, l=l, p=sigma(l), r=RELIABILITY[modality] * quality * present / whole,
                v=va * raw**2 + 2 * cov * raw + vb)


def fuse(person, name, day, kind, parts, outcomes, again=False):
    n, worse = outcomes
    pi = (PRIOR_STRENGTH * PRIOR_RATE + worse) / (PRIOR_STRENGTH + n)
    l_u = logit(pi)
    ms = list(parts)
    r = [parts[m]["r"] for m in ms]
    l = [parts[m]["l"] for m in ms]
    rRr = sum(a * b * (1 if i == j else RHO) for i, a in enumerate(r) for j, b in enumerate(r))
    kappa = sum(a * a for a in r) / rRr
    L = l_u + kappa * sum(a * (b - l_u) for a, b in zip(r, l))
    p = sigma(L)
    v_cal = kappa**2 * sum(parts[m]["r"] ** 2 * parts[m]["v"] for m in ms)
    mean_l = sum(a * b for a, b in zip(r, l)) / sum(r)
    k_eff = sum(r) ** 2 / rRr
    v_dis = sum(a * (b - mean_l) ** 2 for a, b in zip(r, l)) / sum(r) / k_eff if len(ms) > 1 else 0
    cov = sum(min(1, parts[m]["r"]) * EXPECTED[m][kind] for m in ms) / sum(e[kind] for e in EXPECTED.values())
    V = v_cal + v_dis + MISS_VAR * (1 - cov)
    u = sigma(L + Z90 * sqrt(V)) - sigma(L - Z90 * sqrt(V))
    y = 100 * (1 - p)
    if not again:
        person.before = person.state
    level, var = (100 * (1 - pi), P0) if person.before is None else (
        person.before[0], person.before[1] + Q * (day - person.before[2]))
    rs = max(R_MIN, (100 * u / 3.2897) ** 2)
    K = var / (var + rs)
    person.state = (level + K * (y - level), (1 - K) * var, day)
    c = person.combined_before if again else person.combined
    dev = (y - c.mean) / (c.sd() * sqrt((c.n + 1) / c.n)) if c.n >= 3 else None
    ps = [repr(float(parts[m]["p"])) if m in parts else "NULL" for m in ("text", "audio", "visual")]
    print(f"    ('{name}', {float(p)!r}, {', '.join(ps)}, {round(y)}, {float(person.state[0])!r}, {float(person.state[1])!r}, "
          f"{float(u)!r}, {float(cov)!r}, {'NULL' if dev is None else repr(float(dev))}),")
    return y, cov


def learn(person, values, y, again=False):
    import copy
    for f, x in values.items():
        person.features[f].learn(x)
    if again:
        person.combined = copy.copy(person.combined_before)
    else:
        person.combined_before = copy.copy(person.combined)
    person.combined.learn(y)


def session(person, name, day, kind, values, quality=1.0, outcomes=(0, 0)):
    n, worse = outcomes
    l_u = logit((PRIOR_STRENGTH * PRIOR_RATE + worse) / (PRIOR_STRENGTH + n))
    modalities = [m for m in ("text", "audio", "visual") if any(FEATURES[f][0] == m for f in values)]
    parts = {m: evidence(person, m, values, quality if m == "text" else 1.0, l_u) for m in modalities}
    y, cov = fuse(person, name, day, kind, parts, outcomes)
    assert cov >= 0.25
    learn(person, values, y)
    return parts


if __name__ == "__main__":
    ann = Person()
    # A: first session ever; text of quality .8, three transcripts; audio with its own prior.
    session(ann, "A", 0, "full", {"text.negative": 0.45, "text.wellness": 52, "text.transcripts": log1p(3),
                                  "audio.pitch": 140.5, "audio.wellness": 61.5}, quality=0.8)
    # B: a baseline of one; quick; the outcome of A (worse) counts, that of E (later) does not.
    session(ann, "B", 1.5, "quick", {"text.negative": 0.31, "text.wellness": 66}, outcomes=(1, 1))
    # C: after a gap; calibrations of text and audio; then visual arrives, text's calibration having changed.
    ann.calibration = {"text": (1.4, -0.6, (0.04, 0.01, 0.09)), "audio": (0.7, -1.1, (0.02, -0.005, 0.05))}
    kept = session(ann, "C", 21.25, "full", {"text.negative": 0.12, "text.wellness": 81, "text.transcripts": 0.0,
                                             "audio.pitch": 171.25}, outcomes=(2, 1))
    l_u = logit((PRIOR_STRENGTH * PRIOR_RATE + 1) / (PRIOR_STRENGTH + 2))
    late = {"visual.expressiveness": 0.22}
    kept["visual"] = evidence(ann, "visual", late, 1.0, l_u)
    y, _ = fuse(ann, "C refreshed", 21.25, "full", kept, (2, 1), again=True)
    learn(ann, late, y, again=True)
    # D: voice-only; text's new calibration counts now.
    ann.calibration["text"] = (3.0, 0.5, (0.01, 0.0, 0.02))
    session(ann, "D", 22.25, "voice-only", {"text.negative": 0.5, "text.wellness": 40, "text.transcripts": log1p(1),
                                            "audio.pitch": 150.0, "audio.wellness": 45.0}, outcomes=(2, 1))
    # E: three earlier sessions to be compared with, and more.
    session(ann, "E", 23.5, "full", {"text.negative": 0.25, "text.wellness": 71.5, "audio.pitch": 160.0,
                                     "audio.wellness": 74.0, "visual.expressiveness": 0.61}, outcomes=(3, 2))
    for f, b in ann.features.items():
        print(f"    ('{f}', {b.n}, {float(b.mean)!r}, {float(b.m2)!r}, {'NULL' if b.sd() is None else repr(float(b.sd()))}),")
    print(f"combined_wellness {ann.combined.n} {ann.combined.mean!r} {ann.combined.m2!r}")
