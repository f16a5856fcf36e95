//! Seeded random numbers for simulations: SplitMix64 (Steele, Lea & Flood 2014) and Box–Muller.
#![allow(dead_code)] // each test file uses a part

pub struct Random {
    state: u64,
    spare: Option<f64>,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            spare: None,
        }
    }

    /// Between 0 and 1, both excluded.
    pub fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        ((z >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Beta(α, β) for whole α + β up to a few hundred: an order statistic of uniforms.
    pub fn beta(&mut self, alpha: usize, beta: usize) -> f64 {
        let mut draws: Vec<f64> = (0..alpha + beta - 1).map(|_| self.uniform()).collect();
        draws.sort_by(f64::total_cmp);
        draws[alpha - 1]
    }
}
