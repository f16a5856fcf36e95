//! What a refresh keeps: modalities that were scored earlier, read back from what was stored.

use crate::baseline::Baseline;
use crate::drivers::{Dropped, ModalityDriver, ModalityDrivers, LIMIT, OTHER};
use crate::modality::Modality;
use crate::model::Model;
use crate::personal::{OwnWeights, Shares};
use serde::Deserialize;
use serde_json::Value;

/// The stored row of a session that is fused again.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// fusion_outputs.drivers.
    pub drivers: &'a Value,
    /// z by feature, aligned with [`Model::features`].
    pub feature_z: &'a [Option<f64>],
    /// [`crate::Scored::personal`].
    pub personal: &'a [f32],
    /// Raw evidence by [`Modality::index`]; `Some` where the modality was scored.
    pub raw: [Option<f64>; 4],
    /// Modalities whose baselines have learnt this session.
    pub learnt: [bool; 4],
    /// combined_wellness before it learnt this session.
    pub combined_before: Baseline,
    /// Whether combined_wellness, mood_stability and stress_levels have learnt this session.
    pub combined_learnt: bool,
    /// Whether it is the person's newest fused session: only then may combined_wellness be learnt
    /// anew, from the state before.
    pub newest: bool,
}

/// Modalities that are not scored again.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub(crate) modalities: [Option<ModalityDriver>; 4],
    /// Aligned with [`Model::features`].
    pub(crate) features: Vec<Option<KeptFeature>>,
    pub(crate) dropped: Vec<(usize, Dropped)>,
    pub(crate) learnt: [bool; 4],
    pub(crate) combined_before: Baseline,
    pub(crate) combined_learnt: bool,
    pub(crate) newest: bool,
    pub(crate) own_weights: OwnWeights,
    pub(crate) shares: Shares,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct KeptFeature {
    pub z: f64,
    pub baseline_n: f64,
    /// Known for the features that were listed.
    pub value: Option<f64>,
    pub baseline_mean: Option<f64>,
}

#[derive(Deserialize)]
struct StoredDrivers {
    items: Vec<StoredItem>,
    modalities: ModalityDrivers,
    #[serde(default)]
    dropped: Vec<StoredDropped>,
}

#[derive(Deserialize)]
struct StoredItem {
    feature: String,
    value: Option<f64>,
    baseline_mean: Option<f64>,
}

#[derive(Deserialize)]
struct StoredDropped {
    feature: String,
    modality: Modality,
    reason: String,
}

impl Kept {
    /// Reads a stored row.
    ///
    /// # Errors
    /// When the row does not belong to this model or has been altered: a modality without its
    /// figures, z-values that do not match them, numbers out of range.
    pub fn from_stored(model: &Model, stored: Stored<'_>) -> Result<Kept, String> {
        let drivers = StoredDrivers::deserialize(stored.drivers)
            .map_err(|error| format!("the stored drivers cannot be read: {error}"))?;
        if stored.feature_z.len() != model.features.len() {
            return Err(format!(
                "{} stored z-values for a model of {} features",
                stored.feature_z.len(),
                model.features.len()
            ));
        }
        let ModalityDrivers {
            text,
            audio,
            visual,
            passive,
        } = drivers.modalities;
        let mut modalities = [text, audio, visual, passive];
        let mut features = vec![None; model.features.len()];
        for modality in Modality::ALL {
            let i = modality.index();
            let Some(raw) = stored.raw[i] else {
                modalities[i] = None;
                continue;
            };
            let Some(driver) = modalities[i].as_mut() else {
                return Err(format!("the stored drivers lack {}", modality.as_str()));
            };
            driver.raw = raw;
            check(driver).map_err(|what| format!("the stored {what} of {}", modality.as_str()))?;
            keep_features(model, modality, driver, stored.feature_z, &mut features)?;
        }
        for item in drivers
            .items
            .iter()
            .filter(|i| i.feature != OTHER && i.feature != LIMIT)
        {
            let index = model
                .features
                .iter()
                .position(|feature| feature.name == item.feature);
            if let Some(Some(kept)) = index.and_then(|index| features.get_mut(index)) {
                kept.value = item.value;
                kept.baseline_mean = item.baseline_mean;
            }
        }
        let dropped = drivers.dropped.into_iter().filter_map(|dropped| {
            let index = model
                .features
                .iter()
                .position(|f| f.name == dropped.feature)?;
            modalities[dropped.modality.index()].as_ref()?;
            let StoredDropped {
                feature,
                modality,
                reason,
            } = dropped;
            Some((
                index,
                Dropped {
                    feature,
                    modality,
                    reason,
                },
            ))
        });
        let (own_weights, shares) = OwnWeights::from_stored(model, stored.personal);
        Ok(Kept {
            own_weights,
            shares,
            dropped: dropped.collect(),
            modalities,
            features,
            learnt: stored.learnt,
            combined_before: stored.combined_before,
            combined_learnt: stored.combined_learnt,
            newest: stored.newest,
        })
    }
}

fn keep_features(
    model: &Model,
    modality: Modality,
    driver: &ModalityDriver,
    feature_z: &[Option<f64>],
    features: &mut [Option<KeptFeature>],
) -> Result<(), String> {
    let mut counts = driver.baseline_n.iter();
    for (i, _) in model.features_of(modality) {
        let Some(z) = feature_z.get(i).copied().flatten() else {
            continue;
        };
        if z.is_nan() || z.abs() > model.baseline.z_limit {
            return Err(format!(
                "the stored z {z} of {} is out of range",
                modality.as_str()
            ));
        }
        let Some(&baseline_n) = counts.next() else {
            return Err(format!(
                "{} has more z-values than baselines",
                modality.as_str()
            ));
        };
        features[i] = Some(KeptFeature {
            z,
            baseline_n,
            value: None,
            baseline_mean: None,
        });
    }
    match counts.next() {
        Some(_) => Err(format!(
            "{} has fewer z-values than baselines",
            modality.as_str()
        )),
        None => Ok(()),
    }
}

/// What of a modality's figures is out of range.
fn check(driver: &ModalityDriver) -> Result<(), &'static str> {
    let figures = [
        driver.raw,
        driver.logit,
        driver.a,
        driver.b,
        driver.personal,
        driver.variance,
    ];
    if figures.iter().any(|x| !x.is_finite()) {
        return Err("figures are not finite");
    }
    if !(0.0..=1.0).contains(&driver.reliability) {
        return Err("reliability is not within 0..1");
    }
    if driver.variance < 0.0 {
        return Err("variance is negative");
    }
    Ok(())
}
