//! The limits of single values and plain sections, and how a violation is reported.

use crate::model::{BaselineSpec, OutcomeSpec, QualitySpec, SmoothingSpec, SpecError, Trained};

const MAX_NAME_CHARS: usize = 200;
/// Φ(−38) is the smallest normal tail an f64 holds.
const MAX_Z: f64 = 38.0;

pub(super) fn check_baseline(spec: &BaselineSpec) -> Result<(), SpecError> {
    within(spec.kappa0, 1e-6, 1e6, "baseline.kappa0")?;
    within(spec.nu0, 1e-6, 1e6, "baseline.nu0")?;
    within(spec.clip_sd, 1e-6, 1e6, "baseline.clip_sd")?;
    within(spec.clip_min_n, 2.0, 1e6, "baseline.clip_min_n")?;
    within(spec.z_limit, 1e-6, MAX_Z, "baseline.z_limit")?;
    match spec.half_life_days {
        Some(days) => within(days, 1e-6, 1e6, "baseline.half_life_days"),
        None => Ok(()),
    }
}

pub(super) fn check_smoothing(spec: &SmoothingSpec) -> Result<(), SpecError> {
    within(spec.q_per_day, 0.0, 1e6, "smoothing.q_per_day")?;
    // K = P/(P + r): a positive r keeps it defined when P is 0.
    within(spec.r_min, 1e-6, 1e6, "smoothing.r_min")?;
    within(spec.p0, 0.0, 1e6, "smoothing.p0")
}

pub(super) fn check_quality(spec: &QualitySpec) -> Result<(), SpecError> {
    within(spec.min_reliability, 0.0, 1.0, "quality.min_reliability")?;
    within(spec.min_coverage, 0.0, 1.0, "quality.min_coverage")?;
    within(spec.low_coverage, 0.0, 1.0, "quality.low_coverage")?;
    within(spec.max_uncertainty, 0.0, 1.0, "quality.max_uncertainty")?;
    within(spec.min_baseline_n, 0.0, 1e6, "quality.min_baseline_n")
}

pub(super) fn check_outcome(spec: &OutcomeSpec) -> Result<(), SpecError> {
    within(spec.threshold_sd, 0.0, MAX_Z, "outcome.threshold_sd")?;
    // A sd needs two earlier reports.
    within(f64::from(spec.min_reports), 3.0, 1e6, "outcome.min_reports")
}

pub(super) fn check_trained(trained: &Trained) -> Result<(), SpecError> {
    if let Some(lambda) = trained.lambda {
        within(lambda, 1e-6, 1e9, "trained.lambda")?;
    }
    match trained.penalty {
        Some(penalty) => within(penalty, 1e-6, 1e9, "trained.penalty"),
        None => Ok(()),
    }
}

pub(super) fn check_name(name: &str, at: &str) -> Result<(), SpecError> {
    if name.trim().is_empty() {
        return fail(at, "is empty", "a name has at least one visible character");
    }
    if name.chars().count() > MAX_NAME_CHARS || name.contains('\0') {
        return fail(
            at,
            "is no usable name",
            format!("at most {MAX_NAME_CHARS} characters"),
        );
    }
    Ok(())
}

pub(super) fn required<T>(value: Option<T>, at: impl Into<String>) -> Result<T, SpecError> {
    value.ok_or_else(|| SpecError {
        path: at.into(),
        message: "is missing".into(),
        hint: "this key has no default".into(),
    })
}

pub(super) fn within(
    value: f64,
    low: f64,
    high: f64,
    at: impl Into<String>,
) -> Result<(), SpecError> {
    if value.is_finite() && value >= low && value <= high {
        Ok(())
    } else {
        fail(
            at,
            format!("{value} is out of range"),
            format!("a number from {low} to {high}"),
        )
    }
}

pub(super) fn fail<T>(
    path: impl Into<String>,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Result<T, SpecError> {
    Err(SpecError {
        path: path.into(),
        message: message.into(),
        hint: hint.into(),
    })
}
