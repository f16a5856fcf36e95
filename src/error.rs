//! Everything a caller can do wrong, in one table: condition → SQLSTATE, message, hint.
//!
//! A message names the field and never a value: values are personal data, and messages go to logs.

use std::ffi::{c_char, c_int, CString};

use mindmeasure_scoring::SpecError;
use pgrx::pg_sys;
use pgrx::spi::SpiError;

/// What can go wrong for a caller's reason, or for the database's.
#[derive(Debug)]
pub enum Error {
    /// An argument that may not be NULL is.
    Missing(&'static str),
    /// There is no such session, or it is not the caller's: the answer is the same.
    UnknownSession,
    /// The session has no analysis row at all.
    NoAnalysis,
    /// The session has no score yet.
    NotScored,
    /// The session has been moved to the archive.
    Archived,
    /// The caller has neither the system role nor is the person.
    NotAllowed,
    /// A person wants to replace what somebody else said of a session.
    OutcomeOfOthers,
    /// The transaction's view of the data is older than what others have scored.
    StaleView,
    /// A transaction with one snapshot for all its statements.
    OldSnapshot,
    /// An argument outside its limits: field, requirement.
    Invalid(&'static str, String),
    /// A model specification that cannot be used.
    Specification(SpecError),
    DuplicateModel(String),
    UnknownModel(String),
    NoActiveModel,
    /// There is not enough to learn or judge from: why.
    CannotLearn(String),
    UnknownJsonSchema(String),
    /// A JSON document that does not fit its schema: one line a failing path.
    Document {
        message: String,
        hint: String,
    },
    /// A CHECK written with mm_refuse().
    Requirement {
        field: String,
        requirement: String,
    },
    /// A trigger refuses a row, as RAISE would: SQLSTATE, table and columns, the CHECK that says the same,
    /// why, what to do.
    Row {
        code: &'static [u8; 5],
        table: String,
        column: &'static str,
        constraint: Option<&'static str>,
        why: &'static str,
        hint: &'static str,
    },
    /// An applied migration file is not what it was.
    ChangedMigration(&'static str),
    /// A token that says nothing for anybody: why.
    Token(&'static str),
    /// The keys for tokens cannot be used: why.
    TokenKeys(&'static str),
    /// Stored state that scoring wrote itself cannot be read back.
    Stored(String),
    /// An envelope is met, or asked for, and there is no key file.
    EncryptionOff,
    /// The key file cannot be used: why.
    KeyFile(String),
    /// A key-encryption key that data keys are wrapped with is not in the key file: its id.
    KeyLost(String),
    /// The person's data key is not the one that sealed the value: erased, or never theirs.
    NoDataKey,
    /// A data key does not open: its row, or the key file's key of that id, is not what it was.
    WrongKey,
    /// A sealed value was changed, or belongs elsewhere: the field.
    NotAuthentic(String),
    /// Somebody wants another person's key or values.
    NotTheirs,
    Spi(SpiError),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<SpiError> for Error {
    fn from(error: SpiError) -> Self {
        Error::Spi(error)
    }
}

impl Error {
    fn sqlstate(&self) -> &'static [u8; 5] {
        match self {
            Error::Missing(_) => b"22004",
            Error::UnknownSession => b"P0002",
            Error::NoAnalysis => b"MM001",
            Error::Archived => b"MM002",
            Error::NotScored => b"MM003",
            Error::NotAllowed | Error::OutcomeOfOthers | Error::NotTheirs => b"42501",
            Error::KeyFile(_) => b"MM020",
            Error::KeyLost(_) | Error::WrongKey => b"MM021",
            Error::NoDataKey => b"MM022",
            Error::NotAuthentic(_) => b"MM023",
            Error::EncryptionOff => b"MM024",
            Error::StaleView => b"40001",
            Error::Token(_) => b"28000",
            Error::TokenKeys(_) => b"55000",
            Error::Invalid(..) | Error::Specification(_) => b"22023",
            Error::DuplicateModel(_) => b"42710",
            Error::UnknownModel(_) | Error::UnknownJsonSchema(_) => b"42704",
            Error::NoActiveModel
            | Error::CannotLearn(_)
            | Error::ChangedMigration(_)
            | Error::OldSnapshot => b"55000",
            Error::Document { .. } | Error::Requirement { .. } => b"23514",
            Error::Row { code, .. } => code,
            Error::Stored(_) | Error::Spi(_) => b"XX000",
        }
    }

    fn message(&self) -> String {
        match self {
            Error::Missing(field) => format!("{field}: is missing"),
            Error::UnknownSession => "session_id: there is no such session".into(),
            Error::NoAnalysis => "session_id: the session has no analysis to score".into(),
            Error::Archived => "session_id: the session is archived".into(),
            Error::NotScored => "session_id: the session has no score yet".into(),
            Error::NotAllowed => "permission denied: this is for the system role".into(),
            Error::OutcomeOfOthers => {
                "session_id: an outcome is recorded that is not the person's own".into()
            }
            Error::StaleView => "could not serialize access due to concurrent update".into(),
            Error::OldSnapshot => "this needs a transaction under READ COMMITTED".into(),
            Error::Invalid(field, requirement) => format!("{field}: must be {requirement}"),
            Error::Specification(error) => format!("spec.{}: {}", error.path, error.message),
            Error::DuplicateModel(version) => {
                format!("spec.model_version: {version} is registered already")
            }
            Error::UnknownModel(version) => format!("version: there is no model {version}"),
            Error::NoActiveModel => "there is no active model".into(),
            Error::CannotLearn(why) => format!("there is nothing to learn from: {why}"),
            Error::UnknownJsonSchema(name) => format!("name: there is no JSON Schema {name}"),
            Error::Document { message, .. } => message.clone(),
            Error::Requirement { field, requirement } => format!("{field}: must be {requirement}"),
            Error::Row { column, why, .. } => format!("{column}: {why}"),
            Error::ChangedMigration(file) => {
                format!("migration {file} is not the one that was applied")
            }
            Error::Token(why) => format!("jwt: {why}"),
            Error::TokenKeys(why) => format!("mindmeasure.jwt_keys_file {why}"),
            Error::Stored(what) => format!("the stored score cannot be read back: {what}"),
            Error::EncryptionOff => "encryption is off: mindmeasure.key_file is not set".into(),
            Error::KeyFile(why) => format!("mindmeasure.key_file: {why}"),
            Error::KeyLost(id) => format!("mindmeasure.key_file: the key {id} is missing"),
            Error::NoDataKey => "the data key that sealed this value is gone".into(),
            Error::WrongKey => "user_keys.wrapped: does not open with the key of that id".into(),
            Error::NotAuthentic(field) => {
                format!("{field}: the sealed value is not authentic")
            }
            Error::NotTheirs => {
                "permission denied: this is for the person and the system role".into()
            }
            Error::Spi(error) => format!("query failed: {error}"),
        }
    }

    fn hint(&self) -> String {
        match self {
            Error::Missing(field) => format!("Give {field}."),
            Error::UnknownSession => "Insert the session into assessment_sessions first; a user reaches only their own.".into(),
            Error::NoAnalysis => "Insert at least one row into text_analysis, audio_analysis, visual_analysis or passive_analysis first.".into(),
            Error::Archived => "Its score, if it had one, is in fusion_outputs; an archived session is not scored any more.".into(),
            Error::NotScored => "SELECT * FROM mm_fuse_session(session_id) scores it.".into(),
            Error::NotAllowed => "SET ROLE mindmeasure_system, or be granted it.".into(),
            Error::OutcomeOfOthers => "Only the system role replaces it.".into(),
            Error::StaleView => "Retry the transaction, or score under READ COMMITTED.".into(),
            Error::OldSnapshot => "BEGIN ISOLATION LEVEL READ COMMITTED; other transactions do not see what was written while they waited for the person.".into(),
            Error::Invalid(..) => "See the comment on the function: \\df+ in psql.".into(),
            Error::Specification(error) => error.hint.clone(),
            Error::DuplicateModel(_) => "A registered model never changes: choose a new model_version.".into(),
            Error::UnknownModel(_) => "SELECT model_version FROM mm_models lists them.".into(),
            Error::NoActiveModel => "SELECT mm_activate_model('v1.0');".into(),
            Error::CannotLearn(_) => "Record outcomes of both kinds, of scored sessions, with mm_record_outcome().".into(),
            Error::UnknownJsonSchema(_) => format!("One of {}.", crate::validate::names()),
            Error::Document { hint, .. } => hint.clone(),
            Error::Row { hint, .. } => (*hint).into(),
            Error::Requirement { .. } => "Nothing was stored. Correct the value and send the row again.".into(),
            Error::ChangedMigration(_) => "The installed files are damaged or from another build: install the released package of this version again.".into(),
            Error::Token(_) => "Send a fresh token of the person, as a parameter of the statement so that it reaches no log.".into(),
            Error::TokenKeys(_) => "Have a superuser name a JWK Set (RFC 7517) that only the server's user can write, docs/security.md.".into(),
            Error::Stored(_) => "SELECT mm_rescore_user(user_id) scores the person's sessions anew.".into(),
            Error::EncryptionOff => "Set mindmeasure.key_file to the file that holds the keys. A database with rows in user_keys takes no open values. Nothing was stored.".into(),
            Error::KeyFile(_) => "docs/encryption.md describes the file. Until it can be used, nothing is encrypted and nothing is stored in encrypted columns.".into(),
            Error::KeyLost(_) => "Put the key back into the file. A key may be taken out when SELECT * FROM mm_rotate_keys() leaves nothing to do.".into(),
            Error::NoDataKey => "The person was erased, or user_keys has not been restored. Without that key the value stays closed.".into(),
            Error::WrongKey => "Restore user_keys from a backup, or put the right key file in place.".into(),
            Error::NotAuthentic(_) => "It was changed, or sealed for another table, column, row or person. An application seals with the id that the row will have.".into(),
            Error::NotTheirs => "A user reaches their own values only; the back-end acts as mindmeasure_system.".into(),
            Error::Spi(_) => "This should not happen: please report it with the server's log.".into(),
        }
    }

    /// Ends the statement with this error.
    ///
    /// pgrx raises only the SQLSTATEs it knows by name and turns all others into XX000, so this
    /// talks to ereport itself. ereport jumps out of the function: everything Rust owns is dropped
    /// before, which is why it is called at the very end of an SQL function and nowhere else.
    pub fn raise(self) -> ! {
        let code = self.sqlstate();
        let sqlstate = code.iter().rev().fold(0, |packed, &character| {
            (packed << 6) | ((c_int::from(character) - c_int::from(b'0')) & 0x3F)
        });
        let message = palloc_text(self.message());
        let hint = palloc_text(self.hint());
        let place = match &self {
            Error::Row {
                table,
                column,
                constraint,
                ..
            } => {
                // Of several columns none is the one.
                let column = Some(*column).filter(|column| !column.contains(','));
                let text = |text: &str| palloc_text(text.into());
                Some((text(table), column.map(text), constraint.map(text)))
            }
            _ => None,
        };
        drop(self);
        // SAFETY: the strings are palloc'd and outlive the call; errstart with ERROR always
        // returns true, and errfinish with ERROR does not return.
        unsafe {
            errstart(pg_sys::elog::PgLogLevel::ERROR as c_int, std::ptr::null());
            errcode(sqlstate);
            errmsg(c"%s".as_ptr(), message);
            errhint(c"%s".as_ptr(), hint);
            if let Some((table, column, constraint)) = place {
                err_generic_string(c_int::from(b't'), table);
                if let Some(column) = column {
                    err_generic_string(c_int::from(b'c'), column);
                }
                if let Some(constraint) = constraint {
                    err_generic_string(c_int::from(b'n'), constraint);
                }
            }
            errfinish(c"mindmeasure".as_ptr(), 0, std::ptr::null());
        }
        unreachable!("errfinish returned from an ERROR")
    }
}

/// A line for the server's log alone, without the statement, which may hold personal data.
pub fn server_log(line: String) {
    let message = palloc_text(line);
    // SAFETY: as in raise(); a message of this level returns.
    unsafe {
        if errstart(pg_sys::LOG_SERVER_ONLY as c_int, std::ptr::null()) {
            errmsg(c"%s".as_ptr(), message);
            errhidestmt(true);
            errhidecontext(true);
            errfinish(c"mindmeasure".as_ptr(), 0, std::ptr::null());
        }
    }
}

/// A copy that belongs to Postgres' current memory context.
fn palloc_text(text: String) -> *const c_char {
    let owned = CString::new(text.replace('\0', " ")).unwrap_or_default();
    // SAFETY: `owned` is a NUL-terminated string for the duration of the call.
    unsafe { pg_sys::pstrdup(owned.as_ptr()) }
}

unsafe extern "C-unwind" {
    fn errstart(elevel: c_int, domain: *const c_char) -> bool;
    fn errcode(sqlerrcode: c_int) -> c_int;
    fn errmsg(format: *const c_char, ...) -> c_int;
    fn errhint(format: *const c_char, ...) -> c_int;
    fn err_generic_string(field: c_int, text: *const c_char) -> c_int;
    fn errhidestmt(hide_stmt: bool) -> c_int;
    fn errhidecontext(hide_ctx: bool) -> c_int;
    fn errfinish(filename: *const c_char, lineno: c_int, funcname: *const c_char);
}

/// `Ok` or the end of the statement.
pub fn or_raise<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => error.raise(),
    }
}
