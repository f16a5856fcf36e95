"""The same scoring in an application: psycopg with NumPy and SciPy over a Unix socket, two round trips a session
(one reads, one writes; then the commit; prepared, binary, pipelined). It reads the active model. As plpgsql.sql does, it
leaves out, in its own favour: patterns in words, ties in trends, refresh, features of a wrong type, limits of
log-odds, forgetting baselines, archived sessions, who may call it, and decryption.

client.py DATABASE check IDS             refuses when a number differs from mm_fuse_session()'s by more than 1e-9
client.py DATABASE measure OURS THEIRS   prints microseconds a session: processor (backend and client) and clock of
                                         mm_fuse_session() called from here, processor and clock of this
IDS are queries that give one uuid[].
"""

import math
import re
import sys
import time
from datetime import timezone

import numpy as np
import psycopg
from psycopg.types.json import Jsonb
from scipy.special import ndtr, ndtri, stdtr

MODALITIES = ("text", "audio", "visual", "passive")
FACTORS = ("energy_level", "stress_level", "physical_comfort", "social_connection", "sleep_quality")
DOCUMENTS = (
    "sentiment_analysis", "cognitive_markers", "linguistic_patterns", "text_wellness_score",
    "vocal_characteristics", "prosodic_features", "emotional_markers", "audio_wellness_score",
    "facial_expressions", "micro_expressions", "emotional_indicators", "visual_wellness_score",
    "sleep_metrics", "activity_metrics", "device_usage", "passive_wellness_score",
)

READ = """
SELECT s.user_id, s.created_at, s.assessment_type, coalesce(s.mood_after, s.mood_before), s.text_data,
       ARRAY[t.id IS NOT NULL, a.id IS NOT NULL, v.id IS NOT NULL, p.id IS NOT NULL],
       t.sentiment_analysis, t.cognitive_markers, t.linguistic_patterns, t.text_wellness_score::float8,
       a.vocal_characteristics, a.prosodic_features, a.emotional_markers, a.audio_wellness_score::float8,
       v.facial_expressions, v.micro_expressions, v.emotional_indicators, v.visual_wellness_score::float8,
       p.sleep_metrics, p.activity_metrics, p.device_usage, p.passive_wellness_score::float8,
       b.names, b.n, b.mean, b.m2, c.modalities, c.a, c.b, c.covariance, c.own_logit, o.times, o.worse,
       l.score_smoothed, l.smoothed_variance, l.session_created_at, l.decline_watch,
       m.types, m.n, m.mean, m.m2, e.n, h.times, h.p, h.usable, h.report, h.energy, h.stress, h.comfort, h.social, h.sleep,
       q.first, q.last, r.n, r.mean, r.sd
FROM session_keys AS k
JOIN LATERAL (SELECT * FROM assessment_sessions AS x WHERE x.id = k.id AND x.created_at = k.created_at FOR NO KEY UPDATE) AS s ON true
LEFT JOIN LATERAL (SELECT * FROM text_analysis AS x WHERE x.session_id = k.id ORDER BY x.processed_at DESC, x.id DESC LIMIT 1) AS t ON true
LEFT JOIN LATERAL (SELECT * FROM audio_analysis AS x WHERE x.session_id = k.id ORDER BY x.processed_at DESC, x.id DESC LIMIT 1) AS a ON true
LEFT JOIN LATERAL (SELECT * FROM visual_analysis AS x WHERE x.session_id = k.id ORDER BY x.processed_at DESC, x.id DESC LIMIT 1) AS v ON true
LEFT JOIN LATERAL (SELECT * FROM passive_analysis AS x WHERE x.session_id = k.id ORDER BY x.processed_at DESC, x.id DESC LIMIT 1) AS p ON true
CROSS JOIN LATERAL (SELECT array_agg(x.feature_name) AS names, array_agg(x.n) AS n, array_agg(x.mean) AS mean, array_agg(x.m2) AS m2
    FROM user_feature_baselines AS x WHERE x.user_id = k.user_id AND x.n > 0) AS b
CROSS JOIN LATERAL (SELECT array_agg(x.modality) AS modalities, array_agg(x.a) AS a, array_agg(x.b) AS b, array_agg(x.covariance) AS covariance, array_agg(x.own_logit) AS own_logit
    FROM user_calibration AS x WHERE x.user_id = k.user_id) AS c
CROSS JOIN LATERAL (SELECT array_agg(extract(epoch FROM x.session_created_at - k.created_at)::float8 / 86400 ORDER BY x.session_created_at) AS times,
    array_agg(x.worse ORDER BY x.session_created_at) AS worse FROM session_outcomes AS x WHERE x.user_id = k.user_id AND x.session_created_at < k.created_at) AS o
LEFT JOIN LATERAL (SELECT x.score_smoothed, x.smoothed_variance, x.session_created_at, x.decline_watch FROM fusion_outputs AS x
    WHERE x.user_id = k.user_id AND x.session_created_at < k.created_at ORDER BY x.session_created_at DESC, x.session_id DESC LIMIT 1) AS l ON true
CROSS JOIN LATERAL (SELECT array_agg(x.metric_type) AS types, array_agg(x.sample_count) AS n, array_agg(x.mean) AS mean, array_agg(x.m2) AS m2
    FROM user_baselines AS x WHERE x.user_id = k.user_id) AS m
CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT FROM fusion_outputs AS x WHERE x.user_id = k.user_id AND x.session_created_at < k.created_at LIMIT 5) AS few) AS e
CROSS JOIN LATERAL (SELECT array_agg(extract(epoch FROM x.session_created_at - k.created_at)::float8 / 86400) AS times, array_agg(x.p_worse_fused) AS p,
    array_agg(x.qc_overall <> 'insufficient') AS usable, array_agg(x.self_report) AS report, array_agg(x.reported_energy) AS energy, array_agg(x.reported_stress) AS stress,
    array_agg(x.reported_comfort) AS comfort, array_agg(x.reported_social) AS social, array_agg(x.reported_sleep) AS sleep
    FROM (SELECT * FROM fusion_outputs AS x WHERE x.user_id = k.user_id AND x.session_created_at < k.created_at AND x.session_created_at > k.created_at - interval '2160 hours'
          ORDER BY x.session_created_at DESC, x.session_id DESC LIMIT 400) AS x) AS h
CROSS JOIN LATERAL (SELECT min(x.session_created_at) AS first, max(x.session_created_at) AS last FROM fusion_outputs AS x
    WHERE x.user_id = k.user_id AND x.session_created_at < k.created_at AND x.qc_overall <> 'insufficient') AS q
CROSS JOIN LATERAL (SELECT count(*) AS n, avg(x.self_report) AS mean, stddev_samp(x.self_report) AS sd FROM fusion_outputs AS x
    WHERE x.user_id = k.user_id AND x.session_created_at < k.created_at AND x.self_report IS NOT NULL) AS r
WHERE k.id = %s AND NOT EXISTS (SELECT FROM fusion_outputs AS f WHERE f.session_id = k.id)
"""
SCORE = """
INSERT INTO fusion_outputs (session_id, user_id, session_created_at, p_worse_fused, p_worse_text, p_worse_audio, p_worse_visual, p_worse_passive,
    score, score_smoothed, smoothed_variance, uncertainty, qc_overall, drivers, model_version, raw_text, raw_audio, raw_visual, raw_passive, feature_z,
    arrived_modalities, learnt_modalities, self_report, reported_energy, reported_stress, reported_comfort, reported_social, reported_sleep, decline_watch)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::float8[], %s::text[], %s::text[], %s, %s, %s, %s, %s, %s, %s::float8[])
"""
COMPARE = """
INSERT INTO mind_measure_scores (session_id, user_id, combined_score, baseline_deviation, is_baseline_session, baseline_n, baseline_mean, baseline_m2, baseline_comparison, trend_analysis)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
COMPLETE = "UPDATE assessment_sessions SET status = 'completed', failure_reason = NULL WHERE id = %s AND created_at = %s"
TELL = """
INSERT INTO session_outcomes AS o (session_id, user_id, worse, source, derived, session_created_at) VALUES (%s, %s, %s, 'self_report', true, %s)
ON CONFLICT (session_id) DO UPDATE SET worse = excluded.worse, recorded_at = now() WHERE o.derived AND o.worse <> excluded.worse
"""
LEARN = """
INSERT INTO user_feature_baselines (user_id, feature_name, modality, mean, sd, n, m2, sum_w2, last_observed_at)
SELECT %s, x.name, x.modality, x.mean, x.sd, x.n, x.m2, x.n, %s FROM unnest(%s::text[], %s::text[], %s::float8[], %s::float8[], %s::float8[], %s::float8[]) AS x (name, modality, mean, sd, n, m2)
ON CONFLICT (user_id, feature_name) DO UPDATE SET modality = excluded.modality, mean = excluded.mean, sd = excluded.sd, n = excluded.n, m2 = excluded.m2,
    sum_w2 = excluded.sum_w2, last_observed_at = excluded.last_observed_at, updated_at = now()
"""
LEARN_METRICS = """
INSERT INTO user_baselines (user_id, metric_type, baseline_score, confidence_level, sample_count, mean, m2)
SELECT %s, x.metric, x.mean::numeric, x.n / (x.n + 5.0), x.n, x.mean, x.m2 FROM unnest(%s::text[], %s::int[], %s::float8[], %s::float8[]) AS x (metric, n, mean, m2)
ON CONFLICT (user_id, metric_type) DO UPDATE SET baseline_score = excluded.baseline_score, confidence_level = excluded.confidence_level,
    sample_count = excluded.sample_count, mean = excluded.mean, m2 = excluded.m2, last_updated = now()
"""


def reader(path, reduce):
    """A function that reads one feature of a document."""
    listed = re.fullmatch(r"\$\.(\w+)\[\?(.*)\]\.(\w+)", path)
    if listed:
        key, condition, leaf = listed.groups()
        names = frozenset(re.findall(r"'(\w+)'", condition))
        mean = reduce == "mean"

        def read(document):
            found = [e[leaf] for e in document.get(key, ()) if e["emotion"] in names and e.get(leaf) is not None]
            if not found:
                return None
            return sum(found) / len(found) if mean else sum(found)

        return read
    keys = path.split(".")[1:]

    def read(document):
        for key in keys:
            document = document.get(key)
            if document is None:
                return None
        return len(document) if reduce == "count" else document

    return read


class Model:
    def __init__(self, version, spec):
        self.version = version
        self.fusion, self.baseline, self.smoothing = spec["fusion"], spec["baseline"], spec["smoothing"]
        self.quality, self.outcome, self.top = spec["quality"], spec["outcome"], spec["drivers"]["top"]
        self.modalities = [spec["modalities"][name] for name in MODALITIES]
        features = spec["features"]
        self.names = [f["name"] for f in features]
        self.place = {name: i for i, name in enumerate(self.names)}
        self.document = [DOCUMENTS.index(f["document"]) for f in features]
        self.read = [reader(f["path"], f.get("reduce", "first")) for f in features]
        self.log1p = [f.get("transform", "identity") == "log1p" for f in features]
        self.weight = np.array([f["weight"] for f in features], dtype=float)
        self.mu = np.array([f["population_mean"] for f in features], dtype=float)
        self.sigma = np.array([f["population_sd"] for f in features], dtype=float)
        self.modality = np.array([MODALITIES.index(f["modality"]) for f in features])
        self.total = [float(np.abs(self.weight[self.modality == m]).sum()) for m in range(4)]


def logistic(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def student_to_normal(t, nu):
    return -np.sign(t) * ndtri(stdtr(nu, -np.abs(t)))


def exact_orders(largest=10):
    """Two-sided p of Mann-Kendall by n and S."""
    table, orders = {}, [1.0]
    for n in range(2, largest + 1):
        following = [0.0] * (len(orders) + n - 1)
        for i, count in enumerate(orders):
            for added in range(n):
                following[i + added] += count
        orders = following
        pairs = len(orders) - 1
        for s in range(-pairs, pairs + 1, 2):
            table[n, s] = sum(c for i, c in enumerate(orders) if abs(pairs - 2 * i) >= abs(s)) / sum(orders)
    return table


EXACT = exact_orders()


def trend(days, y):
    n = len(y)
    if n < 5:
        return {"n": n, "slope": None, "low": None, "high": None, "p": None}, "insufficient data"
    i, j = np.triu_indices(n, 1)
    rise = y[j] - y[i]
    slopes = np.sort(rise / (days[j] - days[i]))
    s = int(np.sign(rise).sum())
    variance = n * (n - 1) * (2 * n + 5) / 18
    p = EXACT[n, s] if n <= 10 else min(1.0, 2 * float(ndtr(-abs((s - np.sign(s)) / math.sqrt(variance)))))
    half = 1.959963984540054 * math.sqrt(variance)
    count = len(slopes)
    slope = 0.5 * slopes[(count - 1) // 2] + 0.5 * slopes[count // 2]
    low = slopes[max(0, round(0.5 * (count - half)) - 1)]
    high = slopes[min(count - 1, round(0.5 * (count + half)))]
    word = "stable" if p >= 0.05 else "improving" if s > 0 else "declining"
    return {"n": n, "slope": float(slope), "low": float(low), "high": float(high), "p": p}, word


def decline_limit(y):
    n = len(y)
    if n < 4:
        return 7.0
    halves = [y] if n < 40 else [y[: n // 2], y[n // 2 :]]
    squares = neighbours = 0.0
    for half in halves:
        place = np.arange(len(half)) - 0.5 * (len(half) - 1)
        rest = half - half.mean()
        rest = rest - place * (place @ rest) / (place @ place)
        squares += rest @ rest
        neighbours += rest[:-1] @ rest[1:]
    r = neighbours / squares
    r = min(0.9, max(0.0, r + (2 + 4 * max(r, 0.0)) * len(halves) / n))
    return float(7 * (1 + r) / (1 - r))


def correlations(factors, y):
    found = []
    for name, values in zip(FACTORS, factors):
        there = np.array([v is not None for v in values])
        n = int(there.sum())
        if n < 4:
            continue
        x = np.array([v for v in values if v is not None], dtype=float)
        dx, dy = x - x.mean(), y[there] - y[there].mean()
        xx, yy = dx @ dx, dy @ dy
        if xx == 0 or yy == 0:
            continue
        r = float(dx @ dy / math.sqrt(xx * yy))
        lag = max(0.0, float((dx[:-1] @ dx[1:]) * (dy[:-1] @ dy[1:]) / (xx * yy)))
        worth = n * (1 - lag) / (1 + lag)
        p = min(1.0, 2 * float(ndtr(-abs(math.atanh(max(-1 + 1e-15, min(1 - 1e-15, r))) * math.sqrt(worth - 3))))) if worth > 3 else 1.0
        found.append({"factor": name, "correlation": r, "n": n, "effective_n": worth, "p": p})
    smallest = 1.0
    for above, factor in enumerate(sorted(found, key=lambda f: -f["p"])):
        smallest = min(smallest, factor["p"] * len(found) / (len(found) - above))
        factor["p_adjusted"], factor["confidence"] = smallest, 1 - smallest
    return found


def learn(spec, n, mean, m2, x):
    """Winsorised Welford, of arrays or of numbers."""
    sd = np.sqrt(np.where(n > 1, m2 / np.maximum(n - 1, 1), 0))
    clipped = np.where((n >= spec["clip_min_n"]) & (sd > 0), np.clip(x, mean - spec["clip_sd"] * sd, mean + spec["clip_sd"] * sd), x)
    delta = np.where(n > 0, clipped - mean, 0)
    return n + 1, np.where(n > 0, mean + delta / (n + 1), clipped), m2 + delta * delta * n / (n + 1)


def fuse(connection, cursor, model, session):
    with connection.pipeline():
        cursor.execute(READ, (session,), prepare=True)
        row = cursor.fetchone()
    if row is None:
        connection.rollback()
        return
    (person, at, kind, mood, text_data, arrived), documents = row[:6], row[6:22]
    (names, known_n, known_mean, known_m2, fitted, fitted_a, fitted_b, covariance, fitted_at, outcomes, worse, level, variance, last, watch,
     types, metric_n, metric_mean, metric_m2, before, times, p_past, usable_past, reports, *factors_past) = row[22:51]
    first, latest, report_n, report_mean, report_sd = row[51:]

    # Features against the person's baselines.
    places, values = [], []
    for i, (document, read) in enumerate(zip(model.document, model.read)):
        source = documents[document]
        if source is None:
            continue
        x = read(source) if document % 4 != 3 else source
        if x is not None:
            places.append(i)
            values.append(math.log1p(x) if model.log1p[i] else x)
    at_place = np.array(places)
    x = np.array(values, dtype=float)
    size = len(model.names)
    n, mean, m2 = np.zeros(size), model.mu.copy(), np.zeros(size)
    if names:
        known = [(model.place[name], i) for i, name in enumerate(names) if name in model.place]
        to, of = np.array(known).T
        n[to], mean[to], m2[to] = np.array(known_n)[of], np.array(known_mean)[of], np.array(known_m2)[of]
    n, mean, m2 = n[at_place], mean[at_place], m2[at_place]
    mu, sigma, weight, modality = model.mu[at_place], model.sigma[at_place], model.weight[at_place], model.modality[at_place]
    spec = model.baseline
    kappa_n, nu = spec["kappa0"] + n, spec["nu0"] + n
    share, gap = n / kappa_n, mean - mu
    spread_n = np.sqrt((spec["nu0"] * sigma * sigma + m2 + spec["kappa0"] * share * gap * gap) / nu) * np.sqrt(1 + 1 / kappa_n)
    z = np.clip(student_to_normal((x - (mu + share * gap)) / spread_n, nu), -spec["z_limit"], spec["z_limit"])

    # The own rate, now and before each of the last ninety days' sessions.
    strength = model.fusion["prior_strength"]
    worse_so_far = np.concatenate([[0], np.cumsum(np.array(worse or (), dtype=float))])

    def rate(outcomes):
        return (strength * model.fusion["prior_rate"] + worse_so_far[outcomes]) / (strength + outcomes)

    own_rate = float(rate(len(worse_so_far) - 1))
    own_logit = math.log(own_rate / (1 - own_rate))
    if times:
        then, p = rate(np.searchsorted(np.array(outcomes or (), dtype=float), np.array(times), side="left")), np.array(p_past)
        departures = np.log(p / (1 - p)) - np.log(then / (1 - then))

    # Evidence, calibrated, with its reliability.
    evidence = {}
    weighted = weight * z
    for m in range(4):
        here = modality == m
        if not here.any():
            continue
        part = model.modalities[m]
        raw = part.get("intercept", 0) + float(weighted[here].sum())
        prior = part["calibration_prior"]
        a, b = prior["a"], own_logit if prior["b"] is None else prior["b"]
        var_a, cov, var_b = prior["sd_a"] ** 2, 0.0, prior["sd_b"] ** 2
        if fitted and MODALITIES[m] in fitted:
            i = fitted.index(MODALITIES[m])
            a, (var_a, cov, var_b) = fitted_a[i], covariance[i]
            b = fitted_b[i] + (0 if fitted_at[i] is None else own_logit - fitted_at[i])
        quality = (text_data or {}).get("processing_metadata", {}).get("quality_score") if m == 0 else None
        r = part["reliability"] * (1 if quality is None else quality) * float(np.abs(weight[here]).sum()) / model.total[m]
        evidence[m] = {"raw": raw, "logit": a * raw + b, "reliability": r, "a": a, "b": b,
                       "variance": max(0.0, raw * (var_a * raw + 2 * cov) + var_b), "baseline_n": n[here].tolist()}

    # Fusion and its uncertainty.
    rs = [e["reliability"] for e in evidence.values()]
    squares, total = sum(r * r for r in rs), sum(rs)
    spread = squares + model.fusion["rho"] * (total * total - squares)
    kappa, k_eff = squares / spread, total * total / spread
    mean_logit = sum(e["reliability"] * e["logit"] for e in evidence.values()) / total
    for e in evidence.values():
        e["contribution"] = kappa * e["reliability"] * (e["logit"] - own_logit)
    fused = own_logit + sum(e["contribution"] for e in evidence.values())
    expected = [part["expected_weight"][kind] for part in model.modalities]
    coverage = sum(min(1, e["reliability"]) * expected[m] for m, e in evidence.items()) / sum(expected)
    v_cal = sum((kappa * e["reliability"]) ** 2 * e["variance"] for e in evidence.values())
    v_dis = sum(e["reliability"] * (e["logit"] - mean_logit) ** 2 for e in evidence.values()) / total / k_eff if len(evidence) > 1 else 0.0
    v_mis = model.fusion["miss_var"] * (1 - coverage)
    v_all = v_cal + v_dis + v_mis
    p = min(1 - 1e-6, max(1e-6, logistic(fused)))
    low, high = logistic(fused - 1.6448536269514722 * math.sqrt(v_all)), logistic(fused + 1.6448536269514722 * math.sqrt(v_all))
    y = 100 * (1 - p)

    # Quality.
    gates, reasons = model.quality, []
    median_n = float(np.median(n))
    if max(rs) < gates["min_reliability"]:
        reasons.append(f"no modality reaches reliability {gates['min_reliability']} (best {max(rs):.2f})")
    if coverage < gates["min_coverage"]:
        reasons.append(f"coverage {coverage:.2f} is below {gates['min_coverage']}")
    usable = not reasons
    if gates["min_coverage"] <= coverage < gates["low_coverage"]:
        reasons.append(f"coverage {coverage:.2f} is below {gates['low_coverage']}")
    if high - low > gates["max_uncertainty"]:
        reasons.append(f"uncertainty {high - low:.2f} is above {gates['max_uncertainty']}")
    if median_n < gates["min_baseline_n"]:
        reasons.append(f"the median baseline rests on {round(median_n, 1):g} earlier values, below {gates['min_baseline_n']}")
    qc = "insufficient" if not usable else "low" if reasons else "reliable"

    # Smoothing, and the watch for a decline.
    r_s = max(model.smoothing["r_min"], (100 * (high - low) / 3.2897) ** 2)
    if last is None:
        level, variance = 100 * (1 - own_rate), model.smoothing["p0"]
    else:
        variance += model.smoothing["q_per_day"] * (at - last).total_seconds() / 86400
    gain = variance / (variance + r_s)
    level, variance = level + gain * (y - level), (1 - gain) * variance
    metrics = {t: (metric_n[i], metric_mean[i], metric_m2[i]) for i, t in enumerate(types or ())}
    c_n, c_mean, c_m2 = metrics.get("combined_wellness", (0, 0.0, 0.0))
    seen, usual, squared, fall, _ = watch if watch and len(watch) == 5 else [0.0] * 5
    better = own_logit - math.log(p / (1 - p))
    if usable and c_n >= 5:
        if seen >= 5 and squared > 0:
            t = (better - usual) / math.sqrt(squared / (seen - 1)) / math.sqrt((seen + 1) / seen)
            fall = max(0.0, fall - float(np.clip(student_to_normal(t, seen - 1), -4, 4)) - 0.5)
        usual_now = usual + (better - usual) / (seen + 1)
        seen, usual, squared = seen + 1, usual_now, squared + (better - usual) * (better - usual_now)
    watch = [seen, usual, squared, fall, own_logit]

    # The self-report.
    figures = [v if isinstance(v, (int, float)) and 1 <= v <= 10 else None for v in map((mood or {}).get, FACTORS)]
    energy, stress, comfort, social, sleep = figures
    report = outcome = stability = None
    if None not in (energy, stress, comfort, social):
        four = energy + 11 - stress + comfort + social
        report = four / 4 if sleep is None else (four + sleep) / 5
        if report_n >= max(2, model.outcome["min_reports"] - 1):
            outcome = bool(report < report_mean - model.outcome["threshold_sd"] * report_sd)

    # The last ninety days, with this session, oldest first, as if the own rate had always been what it is: trends
    # without the baseline sessions, correlations with all.
    days, scores, told = [], [], []
    factors = [[] for _ in FACTORS]
    for i in reversed(range(len(times or ()))):
        if reports[i] is not None and times[i] >= -30:
            told.append(reports[i])
        if usable_past[i]:
            days.append(times[i])
            scores.append(100 / (1 + math.exp(own_logit + departures[i])))
            for column, earlier in zip(factors, factors_past):
                column.append(earlier[i])
    if usable:
        days.append(0.0)
        scores.append(y)
        for column, value in zip(factors, figures):
            column.append(value)
    days, scores = np.array(days), np.array(scores)
    settling = max(0, 5 - (c_n - (len(days) - (1 if usable else 0))))
    windows, words = {}, {}
    for name, length in (("short_term", 7), ("medium_term", 30), ("long_term", 90)):
        start = max(settling, int(np.searchsorted(days, -length, side="right")))
        windows[name], words[name] = trend(days[start:], scores[start:])
        windows[name]["days"] = length
    limit = decline_limit(scores[settling:])
    if report is not None:
        jumps = np.diff(told + [report])
        if len(jumps) >= 2:
            stability = max(0.0, min(100.0, 100 - 100 * math.sqrt(jumps @ jumps / len(jumps)) / 9))

    # Against the person's own scores so far.
    c_sd = math.sqrt(c_m2 / (c_n - 1)) if c_n >= 2 else None
    deviation = deviation_p = None
    if c_n >= 3 and c_sd > 0:
        deviation = (y - c_mean) / (c_sd * math.sqrt((c_n + 1) / c_n))
        deviation_p = 2 * float(stdtr(c_n - 1, -abs(deviation)))
    month = windows["medium_term"]
    day = lambda time: (time or at).astimezone(timezone.utc).date().isoformat()
    comparison = {
        "deviation": deviation or 0, "significance": "low" if deviation_p is None or deviation_p > 0.1 else "medium" if deviation_p > 0.01 else "high",
        "trend": "stable" if words["medium_term"] == "insufficient data" else words["medium_term"], "confidence_level": 0 if deviation_p is None else 1 - deviation_p,
        "comparison_period": {"start_date": day(first), "end_date": day(latest), "session_count": c_n},
        "p": deviation_p, "n": c_n, "mean": c_mean if c_n else None, "sd": c_sd, "slope": month["slope"], "trend_p": month["p"], "trend_n": month["n"]}
    analysis = {**words, "patterns": [], "correlations": correlations(factors, scores), "windows": windows,
                "alarm": {"raised": watch[3] > limit, "sum": watch[3], "limit": limit}}

    # What moved it.
    slope = np.zeros(4)
    for m, e in evidence.items():
        slope[m] = e["reliability"] * e["a"]
    moved = slope[modality] * weighted
    order = np.argsort(-np.abs(moved), kind="stable")
    items, others = [], {}
    contributions = (kappa * moved).tolist()
    for rank, i in enumerate(order.tolist()):
        if rank < model.top:
            items.append({"feature": model.names[places[i]], "modality": MODALITIES[modality[i]], "value": values[i], "z": float(z[i]),
                          "baseline_mean": float(mean[i]) if n[i] else None, "baseline_n": float(n[i]), "contribution": contributions[i]})
        else:
            count, sum_ = others.get(modality[i], (0, 0.0))
            others[modality[i]] = (count + 1, sum_ + contributions[i])
    for m in sorted(others):
        items.append({"feature": "other", "modality": MODALITIES[m], "count": others[m][0], "contribution": others[m][1]})
    drivers = {
        "items": items, "base_logit": math.log(p / (1 - p)) - sum(contributions), "quality": reasons, "dropped": [],
        "modalities": {MODALITIES[m]: e for m, e in evidence.items()},
        "uncertainty": {"calibration": v_cal, "disagreement": v_dis, "missing": v_mis, "total": v_all, "low": low, "high": high, "coverage": coverage}}

    # What was learnt.
    after_n, after_mean, after_m2 = learn(spec, n, mean, m2, x)
    after_sd = [math.sqrt(q / (k - 1)) if k >= 2 else None for k, q in zip(after_n.tolist(), after_m2.tolist())]
    wellness = {"combined_wellness": y}
    for m, e in evidence.items():
        if m < 3:
            own = documents[4 * m + 3]
            wellness[f"{MODALITIES[m]}_wellness"] = 100 * (1 - logistic(e["logit"])) if own is None else own
    if stability is not None:
        wellness["mood_stability"] = stability
    if stress is not None:
        wellness["stress_levels"] = 10 * stress
    m_n, m_mean, m_m2 = learn(spec, *np.array([metrics.get(name, (0, 0.0, 0.0)) for name in wellness], dtype=float).T, np.array(list(wellness.values()), dtype=float))

    full_z = [None] * size
    for i, value in zip(places, z.tolist()):
        full_z[i] = value
    each = lambda of: [of(evidence[m]) if m in evidence else None for m in range(4)]
    with connection.pipeline():
        cursor.execute(SCORE, (session, person, at, p, *each(lambda e: logistic(e["logit"])), round(y), level, variance, high - low, qc, Jsonb(drivers), model.version,
                               *each(lambda e: e["raw"]), full_z, [name for name, there in zip(MODALITIES, arrived) if there],
                               [MODALITIES[m] for m in evidence] if usable else [], report, *figures, watch), prepare=True)
        cursor.execute(COMPARE, (session, person, round(y), deviation, before < 5, c_n, c_mean, c_m2, Jsonb(comparison), Jsonb(analysis)), prepare=True)
        cursor.execute(COMPLETE, (session, at), prepare=True)
        if outcome is not None:
            cursor.execute(TELL, (session, person, outcome, at), prepare=True)
        if usable:
            cursor.execute(LEARN, (person, at, [model.names[i] for i in places], [MODALITIES[m] for m in modality.tolist()], after_mean.tolist(), after_sd, after_n.tolist(), after_m2.tolist()), prepare=True)
            cursor.execute(LEARN_METRICS, (person, list(wellness), m_n.astype(int).tolist(), m_mean.tolist(), m_m2.tolist()), prepare=True)


def connect(database):
    connection = psycopg.connect(dbname=database, autocommit=False)
    connection.prepare_threshold = 0
    cursor = connection.cursor(binary=True)
    model = Model(*cursor.execute("SELECT model_version, spec FROM mm_models WHERE is_active").fetchone())
    connection.commit()
    return connection, cursor, model


def ours(connection, cursor, _model, session):
    cursor.execute("SELECT * FROM mm_fuse_session(%s)", (session,), prepare=True).fetchone()


def check(database, ids):
    connection, cursor, model = connect(database)
    sessions = cursor.execute(ids).fetchone()[0]
    connection.commit()
    for session in sessions:
        written = []
        for score in (ours, fuse):
            score(connection, cursor, model, session)
            written.append(Jsonb(cursor.execute("SELECT bench.written(%s)", (session,)).fetchone()[0]))
            connection.rollback()
        cursor.execute("SELECT bench.refuse_differences('client', %s, %s)", written)


def measure(database, *queries):
    connection, cursor, model = connect(database)
    sessions = [cursor.execute(query).fetchone()[0] for query in queries]
    connection.commit()
    figures = []
    for score, ids, role in zip((ours, fuse), sessions, ("mindmeasure_system", "mindmeasure_owner")):
        # The owner, as whom scoring writes too: the same triggers, no policies.
        cursor.execute(f"SET ROLE {role}")
        connection.commit()
        spent = lambda: cursor.execute("SELECT bench.spent()").fetchone()[0]
        # A tenth to become warm, the rest counts.
        for session in ids[: len(ids) // 10]:
            score(connection, cursor, model, session)
            connection.commit()
        counted = ids[len(ids) // 10 :]
        before = spent() + time.process_time() * 1e6
        started = time.perf_counter()
        for session in counted:
            score(connection, cursor, model, session)
            connection.commit()
        clock = (time.perf_counter() - started) * 1e6
        figures += [(spent() + time.process_time() * 1e6 - before) / len(counted), clock / len(counted)]
        connection.commit()
    print(*figures)


if __name__ == "__main__":
    {"check": check, "measure": measure}[sys.argv[2]](sys.argv[1], *sys.argv[3:])
