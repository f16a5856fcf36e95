//! One CHECK for a row: what its columns may hold.
//!
//! Postgres reads and plans every CHECK anew with every statement, so that seven of them cost more
//! than what they check.

use mindmeasure_vault::Envelope;
use pgrx::prelude::*;
use pgrx::{direct_function_call, FromDatum};

use crate::error::{or_raise, Error, Result};
use crate::jsonb::RawJsonb;
use crate::validate::validate;

/// mm_valid_row(rules, value, …), declared in sql/checks.sql: `field: rule, …`, one for every value.
///
/// # Safety
/// Called by Postgres, as that function.
#[no_mangle]
#[pg_guard]
pub unsafe extern "C-unwind" fn mm_valid_row(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: as promised.
    or_raise(unsafe { valid_row(fcinfo) });
    pg_sys::Datum::from(true)
}

#[no_mangle]
pub extern "C" fn pg_finfo_mm_valid_row() -> &'static pg_sys::Pg_finfo_record {
    const VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &VERSION_1
}

/// # Safety
/// `fcinfo` is that of a call of mm_valid_row().
unsafe fn valid_row(fcinfo: pg_sys::FunctionCallInfo) -> Result<()> {
    // SAFETY: the first argument is declared as text; a call has as many arguments as it says.
    let (rules, values) = unsafe {
        let arguments = (*fcinfo).args.as_slice((*fcinfo).nargs as usize);
        let Some((first, values)) = arguments.split_first() else {
            return Err(Error::Missing("rules"));
        };
        let rules: &str =
            <&str>::from_datum(first.value, first.isnull).ok_or(Error::Missing("rules"))?;
        (rules, values)
    };
    let mut fields = rules.split(", ");
    for (number, value) in values.iter().enumerate() {
        let (field, rule) = fields
            .next()
            .and_then(|field| field.split_once(": "))
            .ok_or_else(unfit)?;
        if !value.isnull {
            // SAFETY: plain look at the call's expression.
            let given = unsafe { pg_sys::get_fn_expr_argtype((*fcinfo).flinfo, number as i32 + 1) };
            check(field, rule, value.value, given)?;
        }
    }
    match fields.next() {
        None => Ok(()),
        Some(_) => Err(unfit()),
    }
}

/// A JSONB is held to the schema of the rule's name, a TEXT to so many characters, a NUMERIC to a range.
fn check(field: &str, rule: &str, value: pg_sys::Datum, given: pg_sys::Oid) -> Result<()> {
    match given {
        pg_sys::JSONBOID => validate(rule, field, RawJsonb(value).document()).map(|_| ()),
        pg_sys::TEXTOID => {
            let (most, may_be_sealed) = match rule.strip_suffix(" or sealed") {
                Some(most) => (most, true),
                None => (rule, false),
            };
            let most = most.parse().map_err(|_| unfit())?;
            // SAFETY: the value is a text. One of so few bytes need not be fetched.
            unsafe {
                if pg_sys::toast_raw_datum_size(value) <= most {
                    return Ok(());
                }
            }
            // SAFETY: as above.
            let text = unsafe { String::from_datum(value, false) }.unwrap_or_default();
            let fits = text.chars().count() <= most
                || may_be_sealed && matches!(Envelope::from_text(&text), Ok(Some(_)));
            require(fits, field, || format!("at most {most} characters"))
        }
        pg_sys::NUMERICOID => {
            let (low, high) = rule.split_once("..").ok_or_else(unfit)?;
            let bound = |text: &str| text.parse::<i64>().map_err(|_| unfit());
            let fits =
                is_at_most(numeric(bound(low)?), value) && is_at_most(value, numeric(bound(high)?));
            require(fits, field, || format!("a number from {low} to {high}"))
        }
        _ => Err(unfit()),
    }
}

fn require(fits: bool, field: &str, requirement: impl FnOnce() -> String) -> Result<()> {
    if fits {
        return Ok(());
    }
    Err(Error::Requirement {
        field: field.into(),
        requirement: requirement(),
    })
}

fn numeric(value: i64) -> pg_sys::Datum {
    // SAFETY: a palloc'd numeric.
    unsafe { pg_sys::int64_to_numeric(value) }.into()
}

/// NaN sorts above every number.
fn is_at_most(one: pg_sys::Datum, other: pg_sys::Datum) -> bool {
    // SAFETY: both are numerics.
    unsafe { direct_function_call(pg_sys::numeric_le, &[Some(one), Some(other)]) }.unwrap_or(false)
}

fn unfit() -> Error {
    Error::Invalid(
        "rules",
        "field: rule, one for every value: a JSON Schema's name for a jsonb, a number of characters for a text, low..high for a numeric".into(),
    )
}
