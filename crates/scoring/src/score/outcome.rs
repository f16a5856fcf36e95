//! What a self-report says of its session: the outcome nobody has to enter (SCORING §10).

use crate::model::OutcomeSpec;
use crate::numeric::finite;

/// Whether a composite is worse than the person's own earlier ones: below their mean by more than
/// threshold_sd of their sd (n − 1). `None` while there are too few reports.
pub fn worse(earlier: &[f64], composite: f64, spec: &OutcomeSpec) -> Option<bool> {
    let n = earlier.len();
    if n < 2 || n + 1 < spec.min_reports as usize {
        return None;
    }
    let count = n as f64;
    let mean = earlier.iter().sum::<f64>() / count;
    let squares: f64 = earlier.iter().map(|report| (report - mean).powi(2)).sum();
    let sd = (squares / (count - 1.0)).sqrt();
    Some(composite < finite(mean - spec.threshold_sd * sd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_fifth_report_on() {
        let spec = OutcomeSpec::default();
        assert_eq!(worse(&[5.0, 6.0, 7.0], 1.0, &spec), None);
        // mean 6, sd √(2/3): the limit lies at 5.59
        assert_eq!(worse(&[5.0, 6.0, 7.0, 6.0], 5.6, &spec), Some(false));
        assert_eq!(worse(&[5.0, 6.0, 7.0, 6.0], 5.5, &spec), Some(true));
    }

    #[test]
    fn nobody_is_worse_than_always_the_same() {
        let spec = OutcomeSpec::default();
        assert_eq!(worse(&[6.0; 4], 6.0, &spec), Some(false));
        assert_eq!(worse(&[6.0; 4], 5.9, &spec), Some(true));
    }
}
