//! The fusion part of a specification, with its correlation matrix.

use super::limits::{fail, within};
use crate::model::{uniform_correlation, FusionSpec, SpecError};
use serde::Deserialize;
use serde_json::Value;

/// Rounding allowed in a correlation matrix.
const MATRIX_TOLERANCE: f64 = 1e-9;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFusion {
    /// A number, or a 4×4 matrix.
    rho: Option<Value>,
    prior_rate: Option<f64>,
    prior_strength: Option<f64>,
    outcome_half_life_days: Option<f64>,
    recent_half_life_days: Option<f64>,
    recent_strength: Option<f64>,
    miss_var: Option<f64>,
}

pub(super) fn read_fusion(raw: RawFusion) -> Result<FusionSpec, SpecError> {
    let defaults = FusionSpec::default();
    let fusion = FusionSpec {
        rho: match raw.rho {
            None | Some(Value::Null) => defaults.rho,
            Some(value) => read_rho(&value)?,
        },
        prior_rate: raw.prior_rate.unwrap_or(defaults.prior_rate),
        prior_strength: raw.prior_strength.unwrap_or(defaults.prior_strength),
        outcome_half_life_days: raw.outcome_half_life_days,
        recent_half_life_days: raw.recent_half_life_days,
        recent_strength: raw.recent_strength.unwrap_or(defaults.recent_strength),
        miss_var: raw.miss_var.unwrap_or(defaults.miss_var),
    };
    if !(fusion.prior_rate > 0.0 && fusion.prior_rate < 1.0) {
        return fail(
            "fusion.prior_rate",
            "is out of range",
            "between 0 and 1, both excluded",
        );
    }
    within(fusion.prior_strength, 0.0, 1e6, "fusion.prior_strength")?;
    for (days, at) in [
        (
            fusion.outcome_half_life_days,
            "fusion.outcome_half_life_days",
        ),
        (fusion.recent_half_life_days, "fusion.recent_half_life_days"),
    ] {
        if let Some(days) = days {
            within(days, 1e-3, 1e6, at)?;
        }
    }
    within(fusion.recent_strength, 0.0, 1e6, "fusion.recent_strength")?;
    within(fusion.miss_var, 0.0, 1e6, "fusion.miss_var")?;
    Ok(fusion)
}

fn read_rho(value: &Value) -> Result<[[f64; 4]; 4], SpecError> {
    const HINT: &str = "a number from 0 to 1, or a 4x4 correlation matrix in the order text, audio, visual, passive";
    if let Some(rho) = value.as_f64() {
        within(rho, 0.0, 1.0, "fusion.rho")?;
        return Ok(uniform_correlation(rho));
    }
    let rows = match value.as_array() {
        Some(rows) if rows.len() == 4 => rows,
        _ => return fail("fusion.rho", "is neither a number nor four rows", HINT),
    };
    let mut rho = [[0.0; 4]; 4];
    for (i, row) in rows.iter().enumerate() {
        let cells = match row.as_array() {
            Some(cells) if cells.len() == 4 => cells,
            _ => {
                return fail(
                    format!("fusion.rho[{i}]"),
                    "is not a row of four numbers",
                    HINT,
                )
            }
        };
        for (j, cell) in cells.iter().enumerate() {
            let at = format!("fusion.rho[{i}][{j}]");
            let Some(number) = cell.as_f64() else {
                return fail(at, "is not a number", HINT);
            };
            within(number, -1.0, 1.0, at)?;
            rho[i][j] = number;
        }
    }
    for (i, row) in rho.iter().enumerate() {
        if (row[i] - 1.0).abs() > MATRIX_TOLERANCE {
            return fail(
                format!("fusion.rho[{i}][{i}]"),
                "is not 1",
                "the diagonal is 1",
            );
        }
        for (j, cell) in row.iter().enumerate().take(i) {
            if (cell - rho[j][i]).abs() > MATRIX_TOLERANCE {
                return fail(
                    format!("fusion.rho[{i}][{j}]"),
                    format!("differs from fusion.rho[{j}][{i}]"),
                    "the matrix is symmetric",
                );
            }
        }
    }
    if !positive_semi_definite(&rho) {
        return fail(
            "fusion.rho",
            "is not positive semi-definite",
            "no four quantities have these correlations; lower the largest ones",
        );
    }
    Ok(rho)
}

/// Cholesky of the matrix with its diagonal raised by the rounding allowed, so that a singular
/// correlation matrix passes.
fn positive_semi_definite(matrix: &[[f64; 4]; 4]) -> bool {
    let mut factor = [[0.0_f64; 4]; 4];
    for i in 0..4 {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
            if i == j {
                let pivot = matrix[i][i] + MATRIX_TOLERANCE - known;
                if pivot <= 0.0 {
                    return false;
                }
                factor[i][i] = pivot.sqrt();
            } else {
                factor[i][j] = (matrix[i][j] - known) / factor[j][j];
            }
        }
    }
    true
}
