//! Personal baselines: winsorised, optionally forgetting moments, and the z of a new value
//! against them (SCORING §3).

use crate::distribution::student_t_to_normal;
use crate::model::BaselineSpec;
use crate::numeric::{clip, days_between, finite};

/// What is usual for one person in one quantity.
///
/// Without forgetting n counts the values. With a half-life it is the sum of their weights as of
/// `last_us`, and Σw² is kept for the effective n of the variance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Baseline {
    pub n: f64,
    pub mean: f64,
    /// Σ w (x − mean)².
    pub m2: f64,
    /// Σ w²; equals n without forgetting.
    pub sum_w2: f64,
    /// The time the state stands at, that of the last value learnt; µs since the epoch.
    pub last_us: Option<i64>,
}

/// Below this share of independent weight there is one observation as far as f64 can tell, and a
/// variance would be noise.
const SINGLE_OBSERVATION: f64 = 1e-9;

impl Baseline {
    /// Unbiased variance, `None` with fewer than two values (West 1979 and Kish 1965 for weighted
    /// ones: S/W / (1 − ΣW²/W²)).
    pub fn variance(&self) -> Option<f64> {
        if self.n <= 0.0 {
            return None;
        }
        if self.sum_w2 == self.n {
            // Every weight is 1.
            return (self.n >= 2.0).then(|| self.m2 / (self.n - 1.0));
        }
        let independent = 1.0 - (self.sum_w2 / self.n) / self.n;
        (independent > SINGLE_OBSERVATION).then(|| finite(self.m2 / self.n / independent))
    }

    /// √ of [`Baseline::variance`].
    pub fn sd(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }

    /// Kish's effective number of values, (Σw)²/Σw².
    pub fn effective_n(&self) -> f64 {
        if self.sum_w2 > 0.0 {
            self.n * (self.n / self.sum_w2)
        } else {
            0.0
        }
    }

    /// The state at `at_us`: weights halve every half-life; a step back in time forgets nothing.
    pub fn decayed(&self, at_us: i64, spec: &BaselineSpec) -> Baseline {
        match (spec.half_life_days, self.last_us) {
            (Some(half_life), Some(last_us)) if at_us > last_us => {
                let kept = (-days_between(last_us, at_us) / half_life).exp2();
                Baseline {
                    n: kept * self.n,
                    m2: kept * self.m2,
                    sum_w2: kept * kept * self.sum_w2,
                    mean: self.mean,
                    last_us: Some(at_us),
                }
            }
            _ => *self,
        }
    }

    /// The baseline after `x`, and whether x was clipped to mean ± clip_sd·sd first (Huber 1964;
    /// Welford 1962, Technometrics 4:419-420).
    pub fn learn(&self, x: f64, at_us: i64, spec: &BaselineSpec) -> (Baseline, bool) {
        let before = self.decayed(at_us, spec);
        let used = before.winsorised(x, spec);
        let n = before.n + 1.0;
        let old_share = before.n / n;
        let delta = finite(used - before.mean);
        let after = Baseline {
            n,
            mean: if before.n > 0.0 {
                finite(before.mean + delta / n)
            } else {
                finite(used)
            },
            // Welford's δ(x − mean'), in the form that rounding cannot make negative.
            m2: finite(before.m2 + delta * delta * old_share),
            sum_w2: before.sum_w2 + 1.0,
            last_us: Some(self.last_us.map_or(at_us, |last_us| last_us.max(at_us))),
        };
        (after, used != x)
    }

    fn winsorised(&self, x: f64, spec: &BaselineSpec) -> f64 {
        match self.sd() {
            Some(sd) if sd > 0.0 && self.n >= spec.clip_min_n => {
                let reach = spec.clip_sd * sd;
                clip(x, finite(self.mean - reach), finite(self.mean + reach))
            }
            _ => x,
        }
    }

    /// How unusual `x` is, before it is learnt: the normal deviate of its Student-t predictive
    /// probability under a normal-inverse-gamma prior from the population, within ±z_limit.
    ///
    /// Gelman et al., BDA3 §3.3; without a prior it is Crawford & Howell 1998, Clin. Neuropsychol.
    /// 12:482-486. Non-decreasing in x.
    pub fn z(
        &self,
        x: f64,
        at_us: i64,
        population_mean: f64,
        population_sd: f64,
        spec: &BaselineSpec,
    ) -> f64 {
        let predictive = self.predictive(at_us, population_mean, population_sd, spec);
        clip(
            finite(student_t_to_normal(predictive.t(x), predictive.nu)),
            -spec.z_limit,
            spec.z_limit,
        )
    }

    /// The distribution of the next value.
    pub fn predictive(
        &self,
        at_us: i64,
        population_mean: f64,
        population_sd: f64,
        spec: &BaselineSpec,
    ) -> Predictive {
        let own = self.decayed(at_us, spec);
        let kappa = spec.kappa0 + own.n;
        let nu = spec.nu0 + own.n;
        // n/κₙ first: the products of BDA3 would overflow for large n and mean.
        let own_share = own.n / kappa;
        let gap = finite(own.mean - population_mean);
        let mean = finite(population_mean + own_share * gap);
        let prior = spec.nu0 * population_sd * population_sd;
        let between = spec.kappa0 * own_share * gap * gap;
        let variance = finite((prior + own.m2 + between) / nu);
        Predictive {
            mean,
            sd: finite(variance.sqrt() * (1.0 + 1.0 / kappa).sqrt()),
            kappa,
            nu,
        }
    }

    /// Both sets of values together (Chan, Golub & LeVeque 1983, Am. Stat. 37:242-247). The two
    /// must stand at the same time when weights are forgotten.
    pub fn merge(&self, other: &Baseline) -> Baseline {
        if other.n <= 0.0 {
            return *self;
        }
        if self.n <= 0.0 {
            return *other;
        }
        let n = self.n + other.n;
        let delta = finite(other.mean - self.mean);
        let other_share = other.n / n;
        Baseline {
            n,
            mean: finite(self.mean + delta * other_share),
            m2: finite(self.m2 + other.m2 + delta * delta * self.n * other_share),
            sum_w2: self.sum_w2 + other.sum_w2,
            last_us: self.last_us.max(other.last_us),
        }
    }
}

/// A Student t with location and scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predictive {
    /// μₙ.
    pub mean: f64,
    /// sₙ√(1 + 1/κₙ); positive.
    pub sd: f64,
    pub kappa: f64,
    pub nu: f64,
}

impl Predictive {
    /// Standardised distance of x.
    pub fn t(&self, x: f64) -> f64 {
        finite(finite(x - self.mean) / self.sd)
    }
}
