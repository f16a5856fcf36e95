//! JSONB in and out, without a text round trip on the way in.

use pgrx::pg_sys::panic::CaughtError;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::spi::SpiClient;
use pgrx::{direct_function_call, direct_function_call_as_datum, pg_sys, FromDatum, IntoDatum};
use pgrx::{PgSqlErrorCode, PgTryBuilder};
use serde_json::{Map, Number, Value};
use std::ffi::CStr;

/// Deeper documents are refused: no interface of the seed is deeper than 6.
pub const MAX_DEPTH: usize = 64;

/// A JSONB datum, as a value or as the reason why it is none.
pub struct Document(pub std::result::Result<Value, DocumentError>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentError {
    TooLarge,
    TooDeep,
}

impl FromDatum for Document {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        _: pg_sys::Oid,
    ) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: Postgres promises a jsonb varlena; its size is known before it is unpacked.
        unsafe {
            let packed: *mut pg_sys::varlena = datum.cast_mut_ptr();
            let size = pg_sys::toast_raw_datum_size(datum);
            let limit = crate::settings::max_document_bytes();
            if size > sealed_limit(limit) {
                return Some(Document(Err(DocumentError::TooLarge)));
            }
            let plain = pg_sys::pg_detoast_datum(packed);
            let container = pgrx::vardata_any(plain)
                .cast::<pg_sys::JsonbContainer>()
                .cast_mut();
            let value = if size > limit && !may_be_sealed(container) {
                Err(DocumentError::TooLarge)
            } else {
                Reader(pg_sys::JsonbIteratorInit(container)).read()
            };
            if plain != packed {
                pg_sys::pfree(plain.cast());
            }
            Some(Document(value))
        }
    }
}

/// A sealed document holds the other's text, in base64: six characters at most for one of its
/// bytes, and a third more.
const fn sealed_limit(limit: usize) -> usize {
    limit.saturating_mul(8).saturating_add(1024)
}

/// An envelope is an object of four members.
///
/// # Safety
/// `container` must be the root of a jsonb.
unsafe fn may_be_sealed(container: *const pg_sys::JsonbContainer) -> bool {
    // SAFETY: as promised.
    let header = unsafe { (*container).header };
    header & pg_sys::JB_FOBJECT != 0 && header & pg_sys::JB_CMASK == 4
}

impl Document {
    /// A document of its text; `None` for what is no JSON, or none that JSONB can hold.
    ///
    /// Postgres' own complaint would quote the text, so it is caught and dropped.
    pub fn from_text(text: &str) -> Option<Document> {
        let datum = jsonb_of(text)?;
        // SAFETY: the datum is a jsonb.
        unsafe { Document::from_datum(datum, false) }
    }
}

/// The JSONB of a text; `None` where there is none.
pub fn jsonb_of(text: &str) -> Option<pg_sys::Datum> {
    let text = JsonbText(text.to_owned());
    PgTryBuilder::new(std::panic::AssertUnwindSafe(|| text.into_datum()))
        .catch_others(|cause| match &cause {
            CaughtError::PostgresError(report)
                if matches!(
                    report.sql_error_code(),
                    PgSqlErrorCode::ERRCODE_QUERY_CANCELED
                        | PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN
                        | PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY
                ) =>
            {
                cause.rethrow()
            }
            _ => None,
        })
        .execute()
}

/// A JSONB datum as it is, to be given back or written out.
#[derive(Clone, Copy)]
pub struct RawJsonb(pub pg_sys::Datum);

impl RawJsonb {
    /// Of JSON text that this library has written.
    pub fn of(text: String) -> Option<RawJsonb> {
        JsonbText(text).into_datum().map(RawJsonb)
    }

    /// A copy in the memory of whoever connected to Spi: it stays when the connection ends.
    pub fn outlive(self, _client: &SpiClient<'_>) -> RawJsonb {
        // SAFETY: connected (`_client`); a jsonb is passed by reference and has a length of its own.
        RawJsonb(unsafe { pg_sys::SPI_datumTransfer(self.0, false, -1) })
    }

    pub fn document(self) -> Document {
        // SAFETY: the datum is a jsonb that is not NULL.
        unsafe { Document::from_datum(self.0, false) }.unwrap_or(Document(Ok(Value::Null)))
    }

    /// Whether the document has a member that only an envelope has.
    pub fn has_marks(self) -> bool {
        // SAFETY: the datum is a jsonb that is not NULL; only objects have members.
        unsafe {
            let packed: *mut pg_sys::varlena = self.0.cast_mut_ptr();
            let plain = pg_sys::pg_detoast_datum(packed);
            let container = pgrx::vardata_any(plain)
                .cast::<pg_sys::JsonbContainer>()
                .cast_mut();
            let has = |name: &CStr| {
                let mut value = pg_sys::JsonbValue::default();
                !pg_sys::getKeyJsonValueFromContainer(
                    container,
                    name.as_ptr(),
                    name.count_bytes() as i32,
                    &mut value,
                )
                .is_null()
            };
            let found =
                (*container).header & pg_sys::JB_FOBJECT != 0 && (has(c"mm_enc") || has(c"kid"));
            if plain != packed {
                pg_sys::pfree(plain.cast());
            }
            found
        }
    }

    pub fn text(self) -> String {
        // SAFETY: jsonb_out reads a jsonb and gives a C string, which lives in this context.
        unsafe {
            let text: Option<&CStr> = direct_function_call(pg_sys::jsonb_out, &[Some(self.0)]);
            text.map(|text| text.to_string_lossy().into_owned())
                .unwrap_or_default()
        }
    }
}

impl FromDatum for RawJsonb {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        _: pg_sys::Oid,
    ) -> Option<Self> {
        (!is_null).then_some(RawJsonb(datum))
    }
}

impl IntoDatum for RawJsonb {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.0)
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

impl IntoDatum for Document {
    /// Documents are only read. Spi asks for this trait to know the type.
    fn into_datum(self) -> Option<pg_sys::Datum> {
        JsonbText(self.0.ok()?.to_string()).into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

struct Reader(*mut pg_sys::JsonbIterator);

enum Container {
    Array(Vec<Value>),
    Object(Map<String, Value>, Option<String>),
}

impl Reader {
    /// Walks the binary tree; iterative, so that depth costs no stack.
    fn read(mut self) -> std::result::Result<Value, DocumentError> {
        let mut open: Vec<Container> = Vec::new();
        let mut raw_scalar = false;
        loop {
            let mut item = pg_sys::JsonbValue::default();
            // SAFETY: the iterator was made by JsonbIteratorInit on a live container, and `item` is
            // only read as the type its tag says.
            let token = unsafe { pg_sys::JsonbIteratorNext(&mut self.0, &mut item, false) };
            let finished = match token {
                pg_sys::JsonbIteratorToken::WJB_BEGIN_ARRAY => {
                    raw_scalar = open.is_empty() && unsafe { item.val.array.rawScalar };
                    open.push(Container::Array(Vec::new()));
                    None
                }
                pg_sys::JsonbIteratorToken::WJB_BEGIN_OBJECT => {
                    open.push(Container::Object(Map::new(), None));
                    None
                }
                pg_sys::JsonbIteratorToken::WJB_KEY => {
                    if let Some(Container::Object(_, key)) = open.last_mut() {
                        *key = Some(unsafe { text(&item) });
                    }
                    None
                }
                pg_sys::JsonbIteratorToken::WJB_VALUE | pg_sys::JsonbIteratorToken::WJB_ELEM => {
                    Some(unsafe { scalar(&item) })
                }
                pg_sys::JsonbIteratorToken::WJB_END_ARRAY
                | pg_sys::JsonbIteratorToken::WJB_END_OBJECT => match open.pop() {
                    Some(Container::Array(items)) => Some(Value::Array(items)),
                    Some(Container::Object(members, _)) => Some(Value::Object(members)),
                    None => return Ok(Value::Null),
                },
                _ => return Ok(Value::Null),
            };
            if open.len() > MAX_DEPTH {
                return Err(DocumentError::TooDeep);
            }
            if let Some(value) = finished {
                match open.last_mut() {
                    Some(Container::Array(items)) => items.push(value),
                    Some(Container::Object(members, key)) => {
                        members.insert(key.take().unwrap_or_default(), value);
                    }
                    // A bare scalar is stored as an array of one.
                    None => {
                        return Ok(match value {
                            Value::Array(mut items) if raw_scalar => {
                                items.pop().unwrap_or(Value::Null)
                            }
                            other => other,
                        });
                    }
                }
            }
        }
    }
}

/// # Safety
/// `item` must be a string (or key).
unsafe fn text(item: &pg_sys::JsonbValue) -> String {
    let string = unsafe { item.val.string };
    if string.val.is_null() || string.len <= 0 {
        return String::new();
    }
    let bytes = unsafe { std::slice::from_raw_parts(string.val.cast::<u8>(), string.len as usize) };
    String::from_utf8_lossy(bytes).into_owned()
}

/// # Safety
/// `item` must be a scalar whose tag says what it is.
unsafe fn scalar(item: &pg_sys::JsonbValue) -> Value {
    match item.type_ {
        pg_sys::jbvType::jbvBool => Value::Bool(unsafe { item.val.boolean }),
        pg_sys::jbvType::jbvString => Value::String(unsafe { text(item) }),
        pg_sys::jbvType::jbvNumeric => number(unsafe { item.val.numeric }.into()),
        _ => Value::Null,
    }
}

/// JSONB holds numbers that no f64 can: they become text, which is a wrong type to every reader.
fn number(numeric: pg_sys::Datum) -> Value {
    // SAFETY: the datum is a numeric.
    let value: Option<f64> =
        unsafe { direct_function_call(pg_sys::numeric_float8_no_overflow, &[Some(numeric)]) };
    match value {
        Some(whole) if whole.fract() == 0.0 && whole.abs() <= 9_007_199_254_740_992.0 => {
            Value::Number((whole as i64).into())
        }
        Some(value) => Number::from_f64(value).map_or_else(
            || Value::String("number out of range".into()),
            Value::Number,
        ),
        None => Value::Null,
    }
}

/// JSON text that becomes a JSONB datum.
pub struct JsonbText(pub String);

impl IntoDatum for JsonbText {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let text = std::ffi::CString::new(self.0).ok()?;
        // SAFETY: jsonb_in reads a C string, which lives until it returns.
        unsafe { direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(text.as_ptr().into())]) }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

macro_rules! sql_jsonb {
    ($type:ident) => {
        // SAFETY: the datum conversions above are those of jsonb.
        unsafe impl SqlTranslatable for $type {
            const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!($type);
            const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
            const ARGUMENT_SQL: std::result::Result<SqlMappingRef, ArgumentError> =
                Ok(SqlMappingRef::literal("jsonb"));
            const RETURN_SQL: std::result::Result<ReturnsRef, ReturnsError> =
                Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
        }
    };
}
sql_jsonb!(Document);
sql_jsonb!(RawJsonb);
sql_jsonb!(JsonbText);

// SAFETY: as FromDatum above; NULL is left to Option.
unsafe impl<'fcx> pgrx::callconv::ArgAbi<'fcx> for Document {
    unsafe fn unbox_arg_unchecked(arg: pgrx::callconv::Arg<'_, 'fcx>) -> Self {
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(Document(Ok(Value::Null)))
    }
}

// SAFETY: as IntoDatum above.
unsafe impl pgrx::callconv::BoxRet for JsonbText {
    unsafe fn box_into<'fcx>(
        self,
        fcinfo: &mut pgrx::callconv::FcInfo<'fcx>,
    ) -> pgrx::datum::Datum<'fcx> {
        match self.into_datum() {
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

// SAFETY: as FromDatum above; NULL is left to Option.
unsafe impl<'fcx> pgrx::callconv::ArgAbi<'fcx> for RawJsonb {
    unsafe fn unbox_arg_unchecked(arg: pgrx::callconv::Arg<'_, 'fcx>) -> Self {
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(RawJsonb(pg_sys::Datum::null()))
    }
}

// SAFETY: the datum is a jsonb.
unsafe impl pgrx::callconv::BoxRet for RawJsonb {
    unsafe fn box_into<'fcx>(
        self,
        fcinfo: &mut pgrx::callconv::FcInfo<'fcx>,
    ) -> pgrx::datum::Datum<'fcx> {
        unsafe { fcinfo.return_raw_datum(self.0) }
    }
}
