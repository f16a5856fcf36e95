//! Sealing and opening values of rows.

use mindmeasure_vault::{Envelope, Malformed, NotAuthentic, Place};
use pgrx::Uuid;
use serde::Serialize;
use serde_json::Value;
use std::cell::OnceCell;

use super::keys::{self, DataKey};
use crate::error::{Error, Result};
use crate::jsonb::{Document, RawJsonb};
use crate::jsonb_tree::to_jsonb;
use crate::sql::Schema;

/// The envelope that a document is, if it is one.
///
/// # Errors
/// [`Malformed`]: it has the marks of an envelope and is none.
pub fn envelope(document: &Value) -> std::result::Result<Option<Envelope>, Malformed> {
    let Value::Object(members) = document else {
        return Ok(None);
    };
    let text = |name| members.get(name).and_then(Value::as_str);
    let version = members.get("mm_enc");
    let fields = (text("kid"), text("n"), text("c"));
    match (version, fields) {
        (None, (Some(_), Some(_), Some(_))) => Err(Malformed),
        (None, _) => Ok(None),
        (Some(version), (Some(kid), Some(nonce), Some(sealed)))
            if members.len() == 4 && version.as_u64() == Some(1) =>
        {
            Envelope::from_fields(kid, nonce, sealed).map(Some)
        }
        (Some(_), _) => Err(Malformed),
    }
}

/// An envelope as a JSONB column holds it.
pub fn jsonb(envelope: &Envelope) -> Result<RawJsonb> {
    #[derive(Serialize)]
    struct Members {
        mm_enc: u8,
        kid: String,
        n: String,
        c: String,
    }
    let [kid, n, c] = envelope.to_fields();
    let mm_enc = 1;
    to_jsonb(&Members { mm_enc, kid, n, c })
}

/// Whose values these are, and in which row of which table.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// See [`super::columns::Table::sealed_as`].
    pub table: &'a str,
    pub id: Uuid,
    pub user_id: Uuid,
}

impl<'a> Row<'a> {
    fn place(&self, column: &'a str) -> Place<'a> {
        Place {
            table: self.table,
            column,
            row: *self.id.as_bytes(),
            user: *self.user_id.as_bytes(),
        }
    }

    pub fn seal(&self, schema: &Schema, column: &str, plain: &[u8]) -> Result<Envelope> {
        let DataKey { kid, key } = keys::for_sealing(schema, self.user_id)?;
        Ok(self.place(column).seal(&key, kid, keys::random()?, plain))
    }

    /// The text of what was sealed.
    pub fn open(&self, schema: &Schema, column: &str, envelope: &Envelope) -> Result<String> {
        let key = keys::for_opening(schema, self.user_id, envelope.kid)?;
        self.open_with(&key, column, envelope)
    }

    fn open_with(&self, key: &DataKey, column: &str, envelope: &Envelope) -> Result<String> {
        let not_authentic = || Error::NotAuthentic(column.to_owned());
        if key.kid != envelope.kid {
            return Err(Error::NoDataKey);
        }
        let plain = self
            .place(column)
            .open(&key.key, envelope)
            .map_err(|NotAuthentic| not_authentic())?;
        // An application seals what it likes; text of a database has no NUL.
        match std::str::from_utf8(&plain) {
            Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
            _ => Err(not_authentic()),
        }
    }
}

/// Opens the documents of one person for scoring. Their key is looked up when the first sealed
/// document is met, and once.
pub struct Opener<'a> {
    schema: &'a Schema,
    user_id: Uuid,
    key: OnceCell<DataKey>,
}

impl<'a> Opener<'a> {
    pub fn new(schema: &'a Schema, user_id: Uuid) -> Self {
        Opener {
            schema,
            user_id,
            key: OnceCell::new(),
        }
    }

    /// A document as scoring reads it. One that is too large is missing, as an open one is.
    pub fn document(
        &self,
        table: &str,
        column: &str,
        id: Uuid,
        document: Value,
    ) -> Result<Option<Value>> {
        let not_authentic = || Error::NotAuthentic(column.to_owned());
        let Some(envelope) = envelope(&document).map_err(|Malformed| not_authentic())? else {
            return Ok(Some(document));
        };
        let row = Row {
            table,
            id,
            user_id: self.user_id,
        };
        let key = match self.key.get() {
            Some(key) => key,
            None => {
                let key = keys::for_opening(self.schema, self.user_id, envelope.kid)?;
                self.key.get_or_init(|| key)
            }
        };
        let text = row.open_with(key, column, &envelope)?;
        // Through Postgres' own parser, so that a number is the same bits as in an open document.
        let opened = Document::from_text(&text).ok_or_else(not_authentic)?;
        Ok(opened.0.ok())
    }
}
