//! qc_overall: whether a score may be shown, and every reason against it (SCORING §8).

use crate::model::QualitySpec;

/// The verdict on a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qc {
    Reliable,
    Low,
    Insufficient,
}

impl Qc {
    pub fn as_str(self) -> &'static str {
        match self {
            Qc::Reliable => "reliable",
            Qc::Low => "low",
            Qc::Insufficient => "insufficient",
        }
    }

    /// The inverse of [`Qc::as_str`].
    pub fn parse(name: &str) -> Option<Qc> {
        [Qc::Reliable, Qc::Low, Qc::Insufficient]
            .into_iter()
            .find(|qc| qc.as_str() == name)
    }
}

/// The verdict and its reasons, which are empty for a reliable score.
///
/// `best_reliability` is the largest r of a present modality; `median_n` that of the baselines
/// used, `None` when none was.
pub fn assess(
    spec: &QualitySpec,
    best_reliability: Option<f64>,
    coverage: f64,
    uncertainty: f64,
    median_n: Option<f64>,
) -> (Qc, Vec<String>) {
    let mut reasons = Vec::new();
    match best_reliability {
        None => reasons.push("no modality has usable evidence".to_owned()),
        Some(best) if best < spec.min_reliability => reasons.push(format!(
            "no modality reaches reliability {} (best {best:.2})",
            spec.min_reliability
        )),
        Some(_) => {}
    }
    if coverage < spec.min_coverage {
        reasons.push(format!(
            "coverage {coverage:.2} is below {}",
            spec.min_coverage
        ));
    }
    let insufficient = !reasons.is_empty();

    if coverage < spec.low_coverage && coverage >= spec.min_coverage {
        reasons.push(format!(
            "coverage {coverage:.2} is below {}",
            spec.low_coverage
        ));
    }
    if uncertainty > spec.max_uncertainty {
        reasons.push(format!(
            "uncertainty {uncertainty:.2} is above {}",
            spec.max_uncertainty
        ));
    }
    if let Some(n) = median_n.filter(|n| *n < spec.min_baseline_n) {
        reasons.push(format!(
            "the median baseline rests on {} earlier values, below {}",
            (n * 10.0).round() / 10.0,
            spec.min_baseline_n
        ));
    }
    let qc = match (insufficient, reasons.is_empty()) {
        (true, _) => Qc::Insufficient,
        (false, false) => Qc::Low,
        (false, true) => Qc::Reliable,
    };
    (qc, reasons)
}

/// The middle of the values, the mean of the middle two of an even number.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values
        .get(middle.checked_sub(1)?)
        .map(|lower| lower + (upper - lower) / 2.0)
}
