//! Which columns are encrypted, and what each is held to before it is.

use pgrx::prelude::*;

use crate::error::{Error, Result};

/// A table whose rows have `id` and `user_id`.
pub struct Table {
    pub name: &'static str,
    /// The table a value is sealed for: a session is moved to the archive as it is.
    pub sealed_as: &'static str,
    pub columns: &'static [Column],
}

pub struct Column {
    pub name: &'static str,
    pub rule: Rule,
}

#[derive(Clone, Copy)]
pub enum Rule {
    /// JSONB, held to the JSON Schema of this name.
    Schema(&'static str),
    /// TEXT of at most so many characters.
    Characters(usize),
}

const fn json(name: &'static str) -> Column {
    Column {
        name,
        rule: Rule::Schema(name),
    }
}
const fn mood(name: &'static str) -> Column {
    Column {
        name,
        rule: Rule::Schema("mood"),
    }
}
const fn text(name: &'static str, characters: usize) -> Column {
    Column {
        name,
        rule: Rule::Characters(characters),
    }
}

const SESSION: &[Column] = &[
    mood("mood_before"),
    mood("mood_after"),
    json("text_data"),
    json("audio_data"),
    json("visual_data"),
    text("reflection_notes", 100_000),
];

/// Figures are not among them: indexes, policies and trends read those.
pub static TABLES: &[Table] = &[
    Table {
        name: "assessment_sessions",
        sealed_as: "assessment_sessions",
        columns: SESSION,
    },
    Table {
        name: "assessment_sessions_archive",
        sealed_as: "assessment_sessions",
        columns: SESSION,
    },
    Table {
        name: "text_analysis",
        sealed_as: "text_analysis",
        columns: &[
            text("combined_text", 1_000_000),
            json("sentiment_analysis"),
            json("cognitive_markers"),
            json("linguistic_patterns"),
        ],
    },
    Table {
        name: "audio_analysis",
        sealed_as: "audio_analysis",
        columns: &[
            text("transcription", 1_000_000),
            json("vocal_characteristics"),
            json("prosodic_features"),
            json("emotional_markers"),
        ],
    },
    Table {
        name: "visual_analysis",
        sealed_as: "visual_analysis",
        columns: &[
            json("facial_expressions"),
            json("micro_expressions"),
            json("emotional_indicators"),
        ],
    },
    Table {
        name: "passive_analysis",
        sealed_as: "passive_analysis",
        columns: &[
            json("sleep_metrics"),
            json("activity_metrics"),
            json("device_usage"),
        ],
    },
    Table {
        name: "session_insights",
        sealed_as: "session_insights",
        columns: &[
            json("key_concerns"),
            json("emotional_themes"),
            json("follow_up_topics"),
            text("conversation_summary", 100_000),
            text("notable_changes", 100_000),
        ],
    },
];

pub fn table(name: &str) -> Result<&'static Table> {
    TABLES
        .iter()
        .find(|table| table.name == name)
        .ok_or_else(|| {
            Error::Invalid(
                "table_name",
                "a table that SELECT * FROM mm_protected_columns() names".into(),
            )
        })
}

/// Whether documents of this JSON Schema may be sealed.
pub fn may_be_sealed(schema: &str) -> bool {
    TABLES
        .iter()
        .flat_map(|table| table.columns)
        .any(|column| matches!(column.rule, Rule::Schema(name) if name == schema))
}

/// A protected column of the table: JSONB where `json`, else TEXT.
pub fn column(table: &Table, name: &str, json: bool) -> Result<&'static str> {
    table
        .columns
        .iter()
        .find(|column| column.name == name && matches!(column.rule, Rule::Schema(_)) == json)
        .map(|column| column.name)
        .ok_or_else(|| {
            Error::Invalid(
                "column_name",
                format!(
                    "a {} column that SELECT * FROM mm_protected_columns() names for this table",
                    if json { "jsonb" } else { "text" }
                ),
            )
        })
}

/// The encrypted columns.
#[pg_extern(immutable, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn mm_protected_columns() -> TableIterator<
    'static,
    (
        name!(table_name, &'static str),
        name!(column_name, &'static str),
        name!(data_type, &'static str),
    ),
> {
    TableIterator::new(TABLES.iter().flat_map(|table| {
        table.columns.iter().map(|column| {
            let kind = match column.rule {
                Rule::Schema(_) => "jsonb",
                Rule::Characters(_) => "text",
            };
            (table.name, column.name, kind)
        })
    }))
}
