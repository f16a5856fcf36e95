//! Features: numbers read from the documents of a session (SCORING §2).

use crate::modality::Modality;
use crate::model::{Feature, Model, QualityPath, Reduce, Transform};
use serde_json::Value;

/// What was found under a feature's path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Leaf {
    /// Nothing, or null. Never 0.
    Missing,
    /// Finite, on the feature's transformed scale.
    Value(f64),
    /// Something that is no number for this feature, and why: one of the constants below.
    Dropped(&'static str),
}

pub const WRONG_TYPE: &str = "wrong type";
pub const NOT_FINITE: &str = "not finite";
pub const OUTSIDE_DOMAIN: &str = "outside the transform's domain";

/// All numbers of one session.
#[derive(Clone, Debug, PartialEq)]
pub struct Extracted {
    /// Aligned with [`Model::features`].
    pub leaves: Vec<Leaf>,
    /// The documents' own quality, 0..1, by [`Modality::index`].
    pub quality: [Option<f64>; 4],
}

impl Model {
    /// Reads every feature. `documents` is aligned with [`Model::documents`]; a document that is
    /// absent, or beyond the end of the slice, has no leaves.
    pub fn extract(&self, documents: &[Option<Value>]) -> Extracted {
        let document = |index: usize| documents.get(index).and_then(Option::as_ref);
        let leaves = self
            .features
            .iter()
            .map(|feature| {
                document(feature.document).map_or(Leaf::Missing, |value| read(feature, value))
            })
            .collect();
        let quality = Modality::ALL.map(|modality| {
            let quality = self.modality(modality)?.quality.as_ref()?;
            quality
                .documents
                .iter()
                .filter_map(|&index| document(index))
                .find_map(|value| read_quality(quality, value))
        });
        Extracted { leaves, quality }
    }
}

fn read(feature: &Feature, document: &Value) -> Leaf {
    let nodes = feature.path.query(document);
    let present = nodes.iter().copied().filter(|node| !node.is_null());
    match reduce(feature.reduce, present) {
        Ok(Some(value)) => transform(feature.transform, value),
        Ok(None) => Leaf::Missing,
        Err(reason) => Leaf::Dropped(reason),
    }
}

fn read_quality(quality: &QualityPath, document: &Value) -> Option<f64> {
    let nodes = quality.path.query(document);
    let value = nodes.iter().find_map(|node| node.as_f64())?;
    (0.0..=1.0).contains(&value).then_some(value)
}

/// One number from the nodes that are not null.
fn reduce<'a>(
    reduce: Reduce,
    mut nodes: impl Iterator<Item = &'a Value>,
) -> Result<Option<f64>, &'static str> {
    match reduce {
        Reduce::First => nodes.next().map(number).transpose(),
        Reduce::Count => Ok(count(nodes)),
        Reduce::Sum => Ok(sum(nodes)?.map(|(total, _)| total)),
        Reduce::Mean => Ok(sum(nodes)?.map(|(total, n)| total / n)),
    }
}

fn number(node: &Value) -> Result<f64, &'static str> {
    node.as_f64().ok_or(WRONG_TYPE)
}

fn sum<'a>(nodes: impl Iterator<Item = &'a Value>) -> Result<Option<(f64, f64)>, &'static str> {
    let (mut total, mut n) = (0.0, 0.0);
    for node in nodes {
        total += number(node)?;
        n += 1.0;
    }
    Ok((n > 0.0).then_some((total, n)))
}

/// The number of nodes; an array counts its elements, so that a path to an empty list gives 0
/// while a path to nothing is missing.
fn count<'a>(nodes: impl Iterator<Item = &'a Value>) -> Option<f64> {
    let mut counted = None;
    for node in nodes {
        let here = match node {
            Value::Array(elements) => elements.iter().filter(|e| !e.is_null()).count(),
            _ => 1,
        };
        counted = Some(counted.unwrap_or(0.0) + here as f64);
    }
    counted
}

fn transform(transform: Transform, x: f64) -> Leaf {
    let value = match transform {
        Transform::Identity => x,
        Transform::Log1p if x > -1.0 => x.ln_1p(),
        Transform::Logit if x > 0.0 && x < 1.0 => (x / (1.0 - x)).ln(),
        Transform::Log1p | Transform::Logit => return Leaf::Dropped(OUTSIDE_DOMAIN),
    };
    if value.is_finite() {
        Leaf::Value(value + 0.0)
    } else {
        Leaf::Dropped(NOT_FINITE)
    }
}
