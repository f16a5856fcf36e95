//! The closed list of columns a feature may be read from.
//!
//! A column name from a specification is only ever used to find an entry here; what is put into a
//! query is the entry's own text.

use crate::modality::Modality;

/// A column that may hold a feature.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// As a specification writes it: `vocal_characteristics`, `session.mood_before`.
    pub spec_name: &'static str,
    /// The name in its table.
    pub name: &'static str,
    pub owner: Owner,
    /// A number rather than a JSON document: the only path is `$`.
    pub numeric: bool,
}

/// The table a column belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The session itself: open to features of every modality.
    Session,
    /// The analysis table of a modality: open to features of that modality only.
    Analysis(Modality),
}

impl Column {
    /// The entry a specification names, if there is one.
    pub fn find(spec_name: &str) -> Option<&'static Column> {
        COLUMNS.iter().find(|column| column.spec_name == spec_name)
    }

    /// Whether a feature of this modality may read the column.
    pub fn allowed_for(&self, modality: Modality) -> bool {
        self.owner == Owner::Session || self.owner == Owner::Analysis(modality)
    }

    /// The columns open to a modality, as a specification writes them.
    pub fn names_for(modality: Modality) -> String {
        let names: Vec<_> = COLUMNS
            .iter()
            .filter(|column| column.allowed_for(modality))
            .map(|column| column.spec_name)
            .collect();
        names.join(", ")
    }

    /// Where the quality of a modality's data may stand: the documents of its analysis, then what
    /// the app stored with the session.
    pub fn quality_columns(modality: Modality) -> impl Iterator<Item = &'static Column> {
        let own_data = match modality {
            Modality::Text => "session.text_data",
            Modality::Audio => "session.audio_data",
            Modality::Visual => "session.visual_data",
            Modality::Passive => "",
        };
        let analysis = COLUMNS
            .iter()
            .filter(move |column| !column.numeric && column.owner == Owner::Analysis(modality));
        analysis.chain(
            COLUMNS
                .iter()
                .filter(move |column| column.spec_name == own_data),
        )
    }
}

/// A document to be loaded for every session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document {
    /// The modality of the analysis; for a column of the session, that of the first feature to
    /// use it.
    pub modality: Modality,
    pub column: &'static Column,
}

const fn analysis(name: &'static str, modality: Modality) -> Column {
    Column {
        spec_name: name,
        name,
        owner: Owner::Analysis(modality),
        numeric: false,
    }
}

const fn score(name: &'static str, modality: Modality) -> Column {
    Column {
        spec_name: name,
        name,
        owner: Owner::Analysis(modality),
        numeric: true,
    }
}

const fn session(spec_name: &'static str, name: &'static str) -> Column {
    Column {
        spec_name,
        name,
        owner: Owner::Session,
        numeric: false,
    }
}

/// Every column a feature may be read from.
pub static COLUMNS: [Column; 21] = [
    analysis("sentiment_analysis", Modality::Text),
    analysis("cognitive_markers", Modality::Text),
    analysis("linguistic_patterns", Modality::Text),
    score("text_wellness_score", Modality::Text),
    analysis("vocal_characteristics", Modality::Audio),
    analysis("prosodic_features", Modality::Audio),
    analysis("emotional_markers", Modality::Audio),
    score("audio_wellness_score", Modality::Audio),
    analysis("facial_expressions", Modality::Visual),
    analysis("micro_expressions", Modality::Visual),
    analysis("emotional_indicators", Modality::Visual),
    score("visual_wellness_score", Modality::Visual),
    analysis("sleep_metrics", Modality::Passive),
    analysis("activity_metrics", Modality::Passive),
    analysis("device_usage", Modality::Passive),
    score("passive_wellness_score", Modality::Passive),
    session("session.mood_before", "mood_before"),
    session("session.mood_after", "mood_after"),
    session("session.text_data", "text_data"),
    session("session.audio_data", "audio_data"),
    session("session.visual_data", "visual_data"),
];
