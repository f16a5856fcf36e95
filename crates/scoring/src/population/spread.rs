//! How far personal calibrations (a, b) spread about their prior: empirical Bayes over people.
//!
//! Each person's fit is a Gaussian posterior, Laplace's, under the prior it was fitted with. That
//! prior is divided out, which leaves the person's likelihood, and the two variances that make all
//! of them together most probable are found by EM (Laird & Ware 1982, eq. 3.5). Unlike moments of
//! the estimates (DerSimonian & Laird 1986) this needs no unpenalised fit, which a person with
//! separable outcomes does not have, and is not fooled by the shrinkage of the fits.

use crate::platt::Prior;

/// Fewer people say too little about a spread.
pub const MIN_PEOPLE: usize = 5;
/// The sd found are limited to this range: 0 would forbid any person to differ for good.
pub const SD_RANGE: (f64, f64) = (0.05, 3.0);
const MAX_ITERATIONS: usize = 2000;
/// EM stops when neither variance moves by more than this share.
const TOLERANCE: f64 = 1e-7;

/// One person's calibration as fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PersonFit {
    pub a: f64,
    pub b: f64,
    /// Var a, cov(a, b), var b.
    pub covariance: [f64; 3],
    /// The prior it was fitted with; `a`, `b` are also what the spread is about.
    pub prior: Prior,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub sd_a: f64,
    pub sd_b: f64,
    /// People whose fit told something.
    pub people: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpreadError {
    #[error("fewer than five people with a calibration")]
    TooFew,
    #[error("a calibration is not finite or its covariance not positive definite")]
    Calibration,
}

/// A symmetric 2 × 2 matrix: aa, ab, bb.
type Symmetric = [f64; 3];

/// A person's likelihood of the deviation δ from the prior's centre: information and information·δ̂.
struct Likelihood {
    information: Symmetric,
    pull: [f64; 2],
}

/// The sd of (a, b) over people, limited to [`SD_RANGE`].
pub fn fit(people: &[PersonFit]) -> Result<Spread, SpreadError> {
    let mut likelihoods = Vec::with_capacity(people.len());
    for person in people {
        likelihoods.push(likelihood(person).ok_or(SpreadError::Calibration)?);
    }
    // A fit without points is its prior: no information, so no vote.
    likelihoods.retain(|l| l.information[0] > 0.0 || l.information[2] > 0.0);
    if likelihoods.len() < MIN_PEOPLE {
        return Err(SpreadError::TooFew);
    }
    let n = likelihoods.len() as f64;
    let limit = |variance: f64| variance.clamp(SD_RANGE.0.powi(2), SD_RANGE.1.powi(2));
    let mut variance: [f64; 2] = [0.25, 0.25];
    for _ in 0..MAX_ITERATIONS {
        let mut next = [0.0, 0.0];
        for person in &likelihoods {
            let [aa, ab, bb] = person.information;
            let posterior = [aa + variance[0].recip(), ab, bb + variance[1].recip()];
            let covariance = inverse(posterior).ok_or(SpreadError::Calibration)?;
            let deviation = times(covariance, person.pull);
            next[0] += (deviation[0] * deviation[0] + covariance[0]) / n;
            next[1] += (deviation[1] * deviation[1] + covariance[2]) / n;
        }
        let next = [limit(next[0]), limit(next[1])];
        let settled = next
            .iter()
            .zip(&variance)
            .all(|(new, old)| (new - old).abs() <= TOLERANCE * old);
        variance = next;
        if settled {
            break;
        }
    }
    Ok(Spread {
        sd_a: variance[0].sqrt(),
        sd_b: variance[1].sqrt(),
        people: likelihoods.len(),
    })
}

fn likelihood(person: &PersonFit) -> Option<Likelihood> {
    let precision = inverse(person.covariance)?;
    let prior = person.prior;
    // At the maximum the posterior's precision times the deviation is all that the data pull.
    let pull = times(precision, [person.a - prior.a, person.b - prior.b]);
    let information = [
        without_rounding(precision[0], prior.precision_a),
        precision[1],
        without_rounding(precision[2], prior.precision_b),
    ];
    let numbers = [
        information[0],
        information[1],
        information[2],
        pull[0],
        pull[1],
    ];
    numbers
        .iter()
        .all(|v| v.is_finite())
        .then_some(Likelihood { information, pull })
}

/// posterior − prior precision, 0 where the difference is only rounding.
fn without_rounding(posterior: f64, prior: f64) -> f64 {
    let difference = posterior - prior;
    if difference > 1e-9 * posterior {
        difference
    } else {
        0.0
    }
}

fn inverse([aa, ab, bb]: Symmetric) -> Option<Symmetric> {
    let determinant = aa * bb - ab * ab;
    (aa > 0.0 && bb > 0.0 && determinant > 0.0 && determinant.is_finite())
        .then(|| [bb / determinant, -ab / determinant, aa / determinant])
}

fn times([aa, ab, bb]: Symmetric, [x, y]: [f64; 2]) -> [f64; 2] {
    [aa * x + ab * y, ab * x + bb * y]
}
