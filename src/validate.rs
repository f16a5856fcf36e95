//! JSON Schema validation of every document of the schema, and the refusal used in CHECKs.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{ValidationError, Validator};
use mindmeasure_vault::Malformed;
use pgrx::prelude::*;
use serde_json::Value;

use crate::error::{or_raise, Error, Result};
use crate::jsonb::{Document, DocumentError, JsonbText, MAX_DEPTH};
use crate::privacy::columns::may_be_sealed;
use crate::privacy::values::envelope;

/// What has the marks of an envelope is never taken for an open value.
pub const NO_ENVELOPE: &str = "looks like an encrypted value and is none";

/// More failing paths than this are counted, not listed.
const LISTED_FAILURES: usize = 20;

struct Schema {
    name: &'static str,
    source: &'static str,
    compiled: LazyLock<Option<Compiled>>,
}

struct Compiled {
    validator: Validator,
    /// Property names the schema itself knows. Any other key of a document is somebody's words.
    known_names: BTreeSet<String>,
}

macro_rules! schemas {
    ($($name:literal),* $(,)?) => {
        static SCHEMAS: [Schema; [$($name),*].len()] = [$({
            const SOURCE: &str = include_str!(concat!("../schemas/", $name, ".json"));
            Schema { name: $name, source: SOURCE, compiled: LazyLock::new(|| compile(SOURCE)) }
        }),*];
    };
}

schemas![
    "activity_metrics",
    "audio_data",
    "baseline_comparison",
    "cognitive_markers",
    "device_usage",
    "drivers",
    "emotional_indicators",
    "emotional_markers",
    "emotional_themes",
    "facial_expressions",
    "follow_up_topics",
    "key_concerns",
    "linguistic_patterns",
    "micro_expressions",
    "mood",
    "prosodic_features",
    "sentiment_analysis",
    "sleep_metrics",
    "text_data",
    "trend_analysis",
    "visual_data",
    "vocal_characteristics",
    "wellness_goals",
];

/// The names of all schemas, for a hint.
pub fn names() -> String {
    SCHEMAS
        .iter()
        .map(|schema| schema.name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn find(name: &str) -> Result<&'static Schema> {
    SCHEMAS
        .iter()
        .find(|schema| schema.name == name)
        .ok_or_else(|| Error::UnknownJsonSchema(name.into()))
}

fn compile(source: &str) -> Option<Compiled> {
    let schema: Value = serde_json::from_str(source).ok()?;
    let mut known_names = BTreeSet::new();
    collect_names(&schema, &mut known_names);
    Some(Compiled {
        validator: jsonschema::draft202012::new(&schema).ok()?,
        known_names,
    })
}

fn collect_names(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get("properties") {
                names.extend(properties.keys().cloned());
            }
            members
                .values()
                .for_each(|member| collect_names(member, names));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        _ => {}
    }
}

/// CHECK of a JSON document: true where it fits the schema, else 23514 naming every failing path.
#[pg_extern(immutable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_validate_json(schema: &str, field: &str, document: Document) -> bool {
    or_raise(validate(schema, field, document))
}

pub fn validate(schema: &str, field: &str, document: Document) -> Result<bool> {
    let schema = find(schema)?;
    let refuse = |message: String| Error::Document {
        message,
        hint: format!(
            "SELECT mm_json_schema('{}') shows what {field} must look like. Nothing was stored.",
            schema.name
        ),
    };
    let value = document.0.map_err(|reason| {
        refuse(match reason {
            DocumentError::TooLarge => {
                format!("{field}: is larger than mindmeasure.max_document_bytes")
            }
            DocumentError::TooDeep => format!("{field}: is nested deeper than {MAX_DEPTH} levels"),
        })
    })?;
    match envelope(&value) {
        Ok(None) => {}
        // What it holds was validated before it was sealed: see the trigger mm_seal().
        Ok(Some(_)) if may_be_sealed(schema.name) => return Ok(true),
        Ok(Some(_)) => return Err(refuse(format!("{field}: is not an encrypted column"))),
        Err(Malformed) => return Err(refuse(format!("{field}: {NO_ENVELOPE}"))),
    }
    let compiled = schema
        .compiled
        .as_ref()
        .ok_or_else(|| Error::UnknownJsonSchema(schema.name.into()))?;
    if compiled.validator.is_valid(&value) {
        return Ok(true);
    }
    let mut failures: Vec<String> = compiled
        .validator
        .iter_errors(&value)
        .map(|error| describe(field, &error, &compiled.known_names))
        .collect();
    let more = failures.len().saturating_sub(LISTED_FAILURES);
    failures.truncate(LISTED_FAILURES);
    if more > 0 {
        failures.push(format!("and {more} more"));
    }
    Err(refuse(failures.join("; ")))
}

/// `mood_before.emotional_state.intensity: must be at most 10`. Values and unknown keys stay out.
fn describe(field: &str, error: &ValidationError<'_>, known_names: &BTreeSet<String>) -> String {
    let mut path = path_text(field, error.instance_path(), known_names);
    let rule = match error.kind() {
        ValidationErrorKind::Required { property } => {
            path.push('.');
            path.push_str(property.as_str().unwrap_or("?"));
            "is missing".to_owned()
        }
        ValidationErrorKind::Type {
            kind: TypeKind::Single(kind),
        } => format!("must be of type {kind}"),
        ValidationErrorKind::Type {
            kind: TypeKind::Multiple(kinds),
        } => {
            format!(
                "must be of type {}",
                kinds
                    .iter()
                    .map(|kind| kind.to_string())
                    .collect::<Vec<_>>()
                    .join(" or ")
            )
        }
        ValidationErrorKind::Enum { options } => format!("must be one of {options}"),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::MinLength { limit } => {
            format!("must have at least {limit} characters")
        }
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        other => format!("does not fit the schema's {}", other.keyword()),
    };
    format!("{path}: {rule}")
}

fn path_text(field: &str, location: &Location, known_names: &BTreeSet<String>) -> String {
    let mut path = field.to_owned();
    for segment in location {
        match segment {
            LocationSegment::Index(index) => path.push_str(&format!("[{index}]")),
            LocationSegment::Property(name) if known_names.contains(name.as_ref()) => {
                path.push('.');
                path.push_str(&name);
            }
            LocationSegment::Property(_) => path.push_str(".*"),
        }
    }
    path
}

/// The JSON Schema of a column, by name.
#[pg_extern(immutable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_json_schema(name: &str) -> JsonbText {
    or_raise(find(name).map(|schema| JsonbText(schema.source.into())))
}

/// The other half of `CHECK (condition OR mm_refuse(field, requirement))`: always an error, 23514.
///
/// Volatile, so that the planner does not evaluate it before the condition is known.
#[pg_extern(volatile, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn mm_refuse(field: &str, requirement: &str) -> bool {
    Error::Requirement {
        field: field.into(),
        requirement: requirement.into(),
    }
    .raise()
}
