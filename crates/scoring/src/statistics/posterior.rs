//! A rate as far as it is known: the beta posterior of so many of so many, and its intervals.
//!
//! Bayes and Laplace; for the coverage of its intervals Brown, Cai & DasGupta 2001, Statistical
//! Science 16:101-133.

use statrs::function::beta::beta_reg;

/// Halvings of [0, 1]: enough for every bit of a probability near 1.
const HALVINGS: usize = 60;

/// Beta(α, β).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    /// Worse ones, with the prior's; not negative.
    pub alpha: f64,
    /// The others, with the prior's; not negative.
    pub beta: f64,
}

impl Posterior {
    /// After so many worse of n, from a rate that counts as `strength` of them.
    pub fn new(n: f64, worse: f64, rate: f64, strength: f64) -> Posterior {
        Posterior {
            alpha: strength * rate + worse,
            beta: strength * (1.0 - rate) + (n - worse),
        }
    }

    pub fn mean(&self) -> f64 {
        self.alpha / (self.alpha + self.beta)
    }

    pub fn sd(&self) -> f64 {
        let total = self.alpha + self.beta;
        (self.mean() * (self.beta / total) / (total + 1.0)).sqrt()
    }

    /// P(rate > x), for x in 0..1.
    pub fn above(&self, x: f64) -> f64 {
        if self.alpha <= 0.0 || x >= 1.0 {
            0.0
        } else if self.beta <= 0.0 || x <= 0.0 {
            1.0
        } else {
            beta_reg(self.beta, self.alpha, 1.0 - x)
        }
    }

    /// The rate that lies above the true one with probability p.
    pub fn quantile(&self, p: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if self.above(middle) > 1.0 - p {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }
}
