//! How good a model's probabilities are: Brier, log loss, discrimination and calibration.

use crate::numeric::{logit, sigmoid, LOGIT_MAX};
use crate::platt;

/// Number of equal-width bins of the expected calibration error (Guo et al. 2017).
pub const BINS: usize = 10;
/// Probabilities are clipped to this distance from 0 and 1 before the log loss.
const LOG_LOSS_CLIP: f64 = 1e-15;

/// One bin that holds at least one prediction; [low, high), the last one closed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    pub low: f64,
    pub high: f64,
    pub n: usize,
    /// Mean predicted probability.
    pub mean_p: f64,
    /// Observed rate of worse.
    pub rate: f64,
}

/// Figures that need both classes are None with one.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub n: usize,
    pub base_rate: f64,
    /// Mean squared error of p, 0 to 1 (Brier 1950).
    pub brier: f64,
    /// 1 − Brier / Brier of always saying the base rate.
    pub brier_skill: Option<f64>,
    /// Mean negative log-likelihood, nats.
    pub log_loss: f64,
    /// Expected calibration error over [`BINS`] bins, 0 to 1.
    pub ece: f64,
    pub bins: Vec<Bin>,
    pub auc: Option<f64>,
    pub average_precision: Option<f64>,
    /// Slope and intercept of y on logit p (Cox 1958); 1 and 0 are perfect, a slope below 1 is
    /// overconfidence. None as well where the classes are separable.
    pub calibration_slope: Option<f64>,
    pub calibration_intercept: Option<f64>,
    /// The intercept with the slope held at 1.
    pub calibration_in_the_large: Option<f64>,
}

/// Mean AUC within people: discrimination of a person's own sessions, free of who is worse overall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WithinUserAuc {
    /// Unweighted mean over the people counted; None when there is nobody.
    pub mean: Option<f64>,
    /// People with outcomes of both classes.
    pub users: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error("predictions, outcomes and users differ in length")]
    Lengths,
    #[error("no predictions")]
    NoData,
    #[error("a prediction is not a probability")]
    NotAProbability,
}

/// Compares predicted probabilities of worse with what happened (true = worse).
pub fn report(p: &[f64], worse: &[bool]) -> Result<Report, ReportError> {
    check(p, worse)?;
    if p.is_empty() {
        return Err(ReportError::NoData);
    }
    let n = p.len() as f64;
    let base_rate = worse.iter().filter(|w| **w).count() as f64 / n;
    let pairs = || p.iter().copied().zip(worse.iter().copied());
    let brier = pairs().map(|(p, w)| (p - number(w)).powi(2)).sum::<f64>() / n;
    let log_loss = pairs()
        .map(|(p, w)| {
            let p = p.clamp(LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP);
            if w {
                -p.ln()
            } else {
                -(-p).ln_1p()
            }
        })
        .sum::<f64>()
        / n;
    let bins = bins(p, worse);
    let ece = bins
        .iter()
        .map(|b| b.n as f64 / n * (b.mean_p - b.rate).abs())
        .sum();
    let chance = base_rate * (1.0 - base_rate);

    let logits: Vec<f64> = p.iter().map(|p| logit(*p)).collect();
    let regression = platt::fit(&logits, worse, &platt::Options::default()).ok();
    Ok(Report {
        n: p.len(),
        base_rate,
        brier,
        brier_skill: (chance > 0.0).then(|| 1.0 - brier / chance),
        log_loss,
        ece,
        bins,
        auc: auc(p, worse)?,
        average_precision: average_precision(p, worse),
        calibration_slope: regression.map(|f| f.a),
        calibration_intercept: regression.map(|f| f.b),
        calibration_in_the_large: (chance > 0.0).then(|| in_the_large(&logits, base_rate)),
    })
}

/// Area under the ROC curve: the chance that a worse session ranks above a better one, ties half
/// (Mann–Whitney U with midranks). None with one class.
pub fn auc(p: &[f64], worse: &[bool]) -> Result<Option<f64>, ReportError> {
    check(p, worse)?;
    let mut below = 0.0; // better sessions of lower p so far
    let mut wins = 0.0;
    let mut positives = 0.0;
    for (tied_worse, tied_better) in ties(p, worse) {
        wins += tied_worse * (below + 0.5 * tied_better);
        below += tied_better;
        positives += tied_worse;
    }
    Ok((positives > 0.0 && below > 0.0).then(|| wins / positives / below))
}

/// The mean of [`auc`] over people who have outcomes of both classes; `users` names the person of
/// each prediction by any number.
pub fn within_user_auc(
    p: &[f64],
    worse: &[bool],
    users: &[usize],
) -> Result<WithinUserAuc, ReportError> {
    check(p, worse)?;
    if users.len() != p.len() {
        return Err(ReportError::Lengths);
    }
    let mut people: std::collections::BTreeMap<usize, (Vec<f64>, Vec<bool>)> = Default::default();
    for ((&p, &w), &user) in p.iter().zip(worse).zip(users) {
        let person = people.entry(user).or_default();
        person.0.push(p);
        person.1.push(w);
    }
    let mut sum = 0.0;
    let mut count = 0;
    for (p, worse) in people.values() {
        if let Some(value) = auc(p, worse)? {
            sum += value;
            count += 1;
        }
    }
    Ok(WithinUserAuc {
        mean: (count > 0).then(|| sum / count as f64),
        users: count,
    })
}

/// Σ (recall gained)·(precision) over falling thresholds, ties taken together; None without a
/// better or a worse session.
fn average_precision(p: &[f64], worse: &[bool]) -> Option<f64> {
    let groups = ties(p, worse);
    let positives: f64 = groups.iter().map(|g| g.0).sum();
    let negatives: f64 = groups.iter().map(|g| g.1).sum();
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut hits, mut named, mut area) = (0.0, 0.0, 0.0);
    for (tied_worse, tied_better) in groups.iter().rev() {
        hits += tied_worse;
        named += tied_worse + tied_better;
        area += tied_worse / positives * hits / named;
    }
    Some(area)
}

fn check(p: &[f64], worse: &[bool]) -> Result<(), ReportError> {
    if p.len() != worse.len() {
        return Err(ReportError::Lengths);
    }
    if p.iter().any(|p| !(0.0..=1.0).contains(p)) {
        return Err(ReportError::NotAProbability);
    }
    Ok(())
}

fn number(worse: bool) -> f64 {
    f64::from(u8::from(worse))
}

/// (worse, better) counts of each distinct p, ascending.
fn ties(p: &[f64], worse: &[bool]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<(f64, bool)> = p.iter().copied().zip(worse.iter().copied()).collect();
    sorted.sort_by(|x, y| x.0.total_cmp(&y.0));
    sorted
        .chunk_by(|x, y| x.0 == y.0)
        .map(|group| {
            let tied_worse = group.iter().filter(|g| g.1).count();
            (tied_worse as f64, (group.len() - tied_worse) as f64)
        })
        .collect()
}

fn bins(p: &[f64], worse: &[bool]) -> Vec<Bin> {
    let mut sums = [(0usize, 0.0, 0.0); BINS];
    for (&p, &w) in p.iter().zip(worse) {
        let index = ((p * BINS as f64) as usize).min(BINS - 1);
        let (n, sum_p, sum_worse) = &mut sums[index];
        *n += 1;
        *sum_p += p;
        *sum_worse += number(w);
    }
    sums.iter()
        .enumerate()
        .filter(|(_, sum)| sum.0 > 0)
        .map(|(i, &(n, sum_p, sum_worse))| Bin {
            low: i as f64 / BINS as f64,
            high: (i + 1) as f64 / BINS as f64,
            n,
            mean_p: sum_p / n as f64,
            rate: sum_worse / n as f64,
        })
        .collect()
}

/// The shift c with mean σ(logit + c) = base rate. The mean rises in c and every logit is within
/// ±14, so bisection cannot fail.
fn in_the_large(logits: &[f64], base_rate: f64) -> f64 {
    let bound = 3.0 * LOGIT_MAX;
    let (mut low, mut high) = (-bound, bound);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        let mean = logits.iter().map(|l| sigmoid(l + middle)).sum::<f64>() / logits.len() as f64;
        if mean < base_rate {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}
