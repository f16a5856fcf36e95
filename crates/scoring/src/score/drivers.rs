//! Drivers: what moved the score, as contributions that add up to it exactly (SCORING §12).
//!
//! For a linear log-odds this is Linear SHAP with an independent background at z = 0 (Lundberg &
//! Lee 2017). The identity that every reader may rely on, to
//! [`crate::numeric::IDENTITY_TOLERANCE`]: `base_logit` + Σ contributions = logit(p_worse_fused).

use crate::fusion::Fused;
use crate::modality::Modality;
use crate::model::Model;
use crate::numeric::{compensated_sum, finite};
use serde::{Deserialize, Serialize};

/// Names an ordinary feature may not have.
pub const OTHER: &str = "other";
pub const LIMIT: &str = "limit";

/// The explanation of one score, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drivers {
    pub items: Vec<Item>,
    pub base_logit: f64,
    pub modalities: ModalityDrivers,
    pub uncertainty: UncertaintyDrivers,
    /// Reasons against the score; empty when it is reliable.
    pub quality: Vec<String>,
    pub dropped: Vec<Dropped>,
}

/// One line of the explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Item {
    Feature {
        feature: String,
        modality: Modality,
        /// On the feature's transformed scale.
        value: f64,
        z: f64,
        /// Absent while nothing has been learnt.
        baseline_mean: Option<f64>,
        baseline_n: f64,
        contribution: f64,
    },
    /// The features of a modality beyond the listed ones.
    Other {
        feature: &'static str,
        modality: Modality,
        count: usize,
        contribution: f64,
    },
    /// What a limit took away or gave: of a modality's log-odds, or, with modality null, of L.
    Limit {
        feature: &'static str,
        modality: Option<Modality>,
        contribution: f64,
    },
}

impl Item {
    pub fn contribution(&self) -> f64 {
        match self {
            Item::Feature { contribution, .. }
            | Item::Other { contribution, .. }
            | Item::Limit { contribution, .. } => *contribution,
        }
    }
}

/// By modality; absent modalities are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModalityDrivers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<ModalityDriver>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<ModalityDriver>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visual: Option<ModalityDriver>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passive: Option<ModalityDriver>,
}

/// One modality's part. a, b, variance and baseline_n are here so that a refresh is exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModalityDriver {
    pub raw: f64,
    /// ℓ.
    pub logit: f64,
    /// r.
    pub reliability: f64,
    /// κ·r·(ℓ − l_u).
    pub contribution: f64,
    pub a: f64,
    pub b: f64,
    /// What the person's own weights add to ℓ = a·raw + b.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub personal: f64,
    /// v_m.
    pub variance: f64,
    /// n of the baseline behind each present feature, in the order of the specification.
    pub baseline_n: Vec<f64>,
}

fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

/// The variance budget, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct UncertaintyDrivers {
    pub calibration: f64,
    pub disagreement: f64,
    pub missing: f64,
    pub total: f64,
    pub low: f64,
    pub high: f64,
    pub coverage: f64,
}

/// A feature that was there but could not be used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dropped {
    pub feature: String,
    pub modality: Modality,
    pub reason: String,
}

/// The line of one present modality, as far as an explanation needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub intercept: f64,
    pub a: f64,
    pub b: f64,
    /// ℓ, clipped.
    pub logit: f64,
    /// r.
    pub reliability: f64,
}

/// One feature's evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Index in [`Model::features`].
    pub feature: usize,
    pub z: f64,
    /// `None` when it is no longer known; such a term is not listed by itself.
    pub value: Option<f64>,
    pub baseline_mean: Option<f64>,
    pub baseline_n: f64,
}

/// Log-odds one modality may spread over its features. Beyond it the f64 sum of the items would
/// lose the identity, so the modality's parts are scaled down together and `limit` says by how
/// much; ordinary evidence (|z| ≤ 4, weights below 1) stays well below.
const MODALITY_SPREAD: f64 = 64.0;
/// The same for all modalities together. It is out of reach unless their evidence is taken to be
/// negatively correlated, which lets κ exceed 1.
const TOTAL_SPREAD: f64 = 400.0;
/// A difference between a·raw + b and ℓ below this is rounding, not a limit.
const LEAST_LIMIT: f64 = 1e-10;

/// Exact additive attribution.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// l_u + κ Σ r(a·intercept + b − l_u).
    pub base_logit: f64,
    /// κ·r·a by modality: what a feature's weight·z is multiplied with.
    pub slopes: [f64; 4],
    /// The same without κ: the order of the features. It does not change when another modality
    /// joins, so a feature outside an earlier top list stays outside when modalities are added:
    /// those listed before it still rank before it. That is why a refresh needs no more than the
    /// stored list.
    pub ranking_slopes: [f64; 4],
    /// Effect of the limit on each modality's log-odds.
    pub limits: [f64; 4],
    /// Effect of the limit on L.
    pub fused_limit: f64,
}

/// Attributes L to the features. `weighted` yields (modality index, weight·z) of every present
/// feature.
pub fn attribute(
    lines: &[Option<Line>; 4],
    weighted: impl Iterator<Item = (usize, f64)> + Clone,
    fused: &Fused,
    own_logit: f64,
) -> Attribution {
    let (mut spread, mut sums) = ([0.0; 4], [0.0; 4]);
    for (modality, value) in weighted {
        spread[modality] += f64::abs(value);
        sums[modality] += value;
    }

    let mut ranking_slopes = [0.0; 4];
    let (mut constants, mut limits) = ([0.0; 4], [0.0; 4]);
    let mut reach = 0.0;
    for i in 0..4 {
        let Some(line) = lines[i] else { continue };
        let (a, b, scaled) = attributable(&line, spread[i]);
        let r = line.reliability;
        ranking_slopes[i] = r * a;
        constants[i] = r * (a * line.intercept + b - own_logit);
        let told = a * (line.intercept + sums[i]) + b;
        if scaled || (told - line.logit).abs() > LEAST_LIMIT {
            limits[i] = r * (line.logit - told);
        }
        let constant = (a * line.intercept).abs() + b.abs() + own_logit.abs() + line.logit.abs();
        reach += r * (a.abs() * spread[i] + constant);
    }
    let kappa = f64::min(fused.kappa, TOTAL_SPREAD / reach.max(f64::MIN_POSITIVE));

    let base_logit = own_logit + kappa * constants.iter().sum::<f64>();
    let slopes = ranking_slopes.map(|slope| kappa * slope);
    let limits = limits.map(|limit| kappa * limit);
    let fused_limit = if kappa < fused.kappa || fused.logit != fused.unclipped_logit {
        let told = base_logit + (0..4).map(|i| slopes[i] * sums[i] + limits[i]).sum::<f64>();
        fused.logit - told
    } else {
        0.0
    };
    Attribution {
        base_logit,
        slopes,
        ranking_slopes,
        limits,
        fused_limit,
    }
}

/// a and b scaled down, where they spread too far for the identity, and whether they were.
fn attributable(line: &Line, spread: f64) -> (f64, f64, bool) {
    let largest = line.a.abs().max(line.b.abs());
    let magnitude = line.intercept.abs() + spread;
    let total = line.a.abs() * magnitude + line.b.abs();
    if total <= MODALITY_SPREAD {
        return (line.a, line.b, false);
    }
    // Divided first: a·magnitude may overflow, a/largest cannot.
    let (a, b) = (line.a / largest, line.b / largest);
    let scale = MODALITY_SPREAD / (a.abs() * magnitude + b.abs());
    (finite(a * scale), finite(b * scale), true)
}

/// `weights` are those of the features, aligned with [`Model::features`]. The items as they are written, and the base log-odds that makes them add up to `target_logit`,
/// which is taken from the stored, rounded p_worse_fused.
pub fn explain(
    model: &Model,
    weights: &[f64],
    terms: &[Term],
    lines: &[Option<Line>; 4],
    fused: &Fused,
    own_logit: f64,
    target_logit: f64,
) -> (Vec<Item>, f64) {
    let weight = |term: &Term| weights.get(term.feature).copied().unwrap_or(0.0);
    let weighted = terms.iter().filter_map(|term| {
        let feature = model.features.get(term.feature)?;
        Some((feature.modality.index(), weight(term) * term.z))
    });
    let attribution = attribute(lines, weighted, fused, own_logit);

    let mut ranked: Vec<(f64, &Term)> = terms
        .iter()
        .filter_map(|term| {
            let feature = model.features.get(term.feature)?;
            let slope = attribution.ranking_slopes[feature.modality.index()];
            Some(((slope * (weight(term) * term.z)).abs(), term))
        })
        .collect();
    // Stable: equal contributions keep the order of the specification.
    ranked.sort_by(|(left, _), (right, _)| right.total_cmp(left));

    let mut items = Vec::with_capacity(model.drivers.top.min(ranked.len()) + 9);
    let mut others = [(0_usize, 0.0_f64); 4];
    let mut beyond: Vec<(usize, usize, f64)> = Vec::with_capacity(ranked.len());
    for (rank, (_, term)) in ranked.into_iter().enumerate() {
        let Some(feature) = model.features.get(term.feature) else {
            continue;
        };
        let modality = feature.modality;
        let contribution = finite(attribution.slopes[modality.index()] * (weight(term) * term.z));
        match term.value {
            Some(value) if rank < model.drivers.top => items.push(Item::Feature {
                feature: feature.name.clone(),
                modality,
                value,
                z: term.z,
                baseline_mean: term.baseline_mean,
                baseline_n: term.baseline_n,
                contribution,
            }),
            _ => beyond.push((term.feature, modality.index(), contribution)),
        }
    }
    // Summed in the order of the specification, not of the ranking.
    beyond.sort_unstable_by_key(|(feature, ..)| *feature);
    for (_, modality, contribution) in beyond {
        others[modality].0 += 1;
        others[modality].1 += contribution;
    }
    for modality in Modality::ALL {
        let (count, contribution) = others[modality.index()];
        if count > 0 {
            let contribution = finite(contribution);
            items.push(Item::Other {
                feature: OTHER,
                modality,
                count,
                contribution,
            });
        }
    }
    let limits = Modality::ALL
        .into_iter()
        .map(|modality| (Some(modality), attribution.limits[modality.index()]))
        .chain([(None, attribution.fused_limit)]);
    for (modality, contribution) in limits {
        if contribution != 0.0 {
            let contribution = finite(contribution);
            items.push(Item::Limit {
                feature: LIMIT,
                modality,
                contribution,
            });
        }
    }

    // The formula's base differs from this by rounding only; near p = 1 that of p itself.
    let explained = items.iter().map(|item| -item.contribution());
    let base_logit = finite(compensated_sum(
        std::iter::once(target_logit).chain(explained),
    ));
    (items, base_logit)
}
