//! mm_rotate_keys(): data keys go under the newest key-encryption key. No table but user_keys is
//! written: the data keys themselves stay, and with them every envelope.

use pgrx::prelude::*;
use pgrx::Uuid;

use super::{keys, ring};
use crate::caller::{as_owner, require_system};
use crate::error::{or_raise, Error, Result};
use crate::sql::Schema;

/// Rewraps up to `max_keys` data keys; `remaining` says how many are left, including those whose
/// key-encryption key the file does not hold, and those that are damaged.
#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn mm_rotate_keys(
    max_keys: default!(Option<i32>, "10000"),
    fcinfo: pg_sys::FunctionCallInfo,
) -> TableIterator<'static, (name!(rewrapped, i64), name!(remaining, i64))> {
    TableIterator::once(or_raise(rotate(max_keys, &Schema::of(fcinfo))))
}

fn rotate(max_keys: Option<i32>, schema: &Schema) -> Result<(i64, i64)> {
    require_system()?;
    let max_keys = max_keys.ok_or(Error::Missing("max_keys"))?;
    if max_keys < 1 {
        return Err(Error::Invalid("max_keys", "1 or more".into()));
    }
    let ring = ring::current()?;
    let active = ring.active().0;
    as_owner(|| {
        Spi::connect_mut(|client| {
            let found = schema.query(include_str!("../../sql/privacy/keys_to_rewrap.sql"));
            let old: Vec<&str> = ring.ids().filter(|id| *id != active).collect();
            let mut users: Vec<Uuid> = Vec::new();
            let mut wrapped: Vec<Vec<u8>> = Vec::new();
            for row in found.run(client, &[old.into(), i64::from(max_keys).into()])? {
                let user_id: Uuid = row.get(1)?.ok_or(Error::WrongKey)?;
                let kid: String = row.get(2)?.ok_or(Error::WrongKey)?;
                let wrapped_by: String = row.get(3)?.ok_or(Error::WrongKey)?;
                let key: Vec<u8> = row.get(4)?.ok_or(Error::WrongKey)?;
                let key = match keys::opened(user_id, kid, wrapped_by, key) {
                    Ok(key) => key,
                    // One damaged row must not keep the others under the old key: it remains.
                    Err(Error::WrongKey) => continue,
                    Err(error) => return Err(error),
                };
                users.push(user_id);
                wrapped.push(keys::wrapped(user_id, key.kid, &key.key)?.1);
            }
            let rewrapped = users.len() as i64;
            schema
                .query(include_str!("../../sql/privacy/rewrap_keys.sql"))
                .run(client, &[users.into(), wrapped.into(), active.into()])?;
            let remaining = schema
                .query("SELECT count(*) FROM @extschema@.user_keys AS k WHERE k.wrapped_by <> $1")
                .run(client, &[active.into()])?
                .first()
                .get_one()?
                .unwrap_or(0);
            schema
                .query("SELECT @extschema@.mm_progress('rotate keys', $1, $2)")
                .run(client, &[rewrapped.into(), (rewrapped + remaining).into()])?;
            Ok((rewrapped, remaining))
        })
    })
}
