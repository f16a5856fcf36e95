//! Where the extension's objects are, and the queries of `sql/`, planned once a backend.

use std::cell::{OnceCell, RefCell};
use std::ffi::{CStr, CString};

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, PgOid};
use pgrx::spi::{OwnedPreparedStatement, SpiClient, SpiTupleTable};
use pgrx::{FromDatum, IntoDatum, Uuid};

use crate::error::{Error, Result};

/// Where a query differs between tables with and without a person's own weights.
const OWN_WEIGHTS: &str = "@own_weights(";

/// The schema in which the extension is installed.
#[derive(Clone)]
pub struct Schema {
    pub oid: pg_sys::Oid,
    /// Quoted where it has to be.
    pub name: String,
}

impl Schema {
    /// The schema of the function that is being called: where all of the extension is.
    pub fn of(fcinfo: pg_sys::FunctionCallInfo) -> Schema {
        Schema::at(Schema::oid_of(fcinfo))
    }

    /// The same where nothing needs its name.
    pub fn oid_of(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Oid {
        // SAFETY: Postgres passes the call's own fmgr info; a look-up.
        unsafe { pg_sys::get_func_namespace((*(*fcinfo).flinfo).fn_oid) }
    }

    pub fn of_function(function: pg_sys::Oid) -> Schema {
        // SAFETY: a look-up.
        Schema::at(unsafe { pg_sys::get_func_namespace(function) })
    }

    pub fn at(oid: pg_sys::Oid) -> Schema {
        // SAFETY: the look-ups return palloc'd strings.
        unsafe {
            let name = pg_sys::quote_identifier(pg_sys::get_namespace_name(oid));
            Schema {
                oid,
                name: CStr::from_ptr(name).to_string_lossy().into_owned(),
            }
        }
    }

    /// A query text with the schema put in, as CREATE EXTENSION does it in scripts, and of each
    /// `@own_weights(with|without)@` what fits the tables.
    pub fn qualify(&self, query: &str) -> String {
        let mut text = String::with_capacity(query.len());
        let mut rest = query;
        while let Some((before, choice)) = rest.split_once(OWN_WEIGHTS) {
            let (choice, after) = choice.split_once(")@").unwrap_or((choice, ""));
            let (with, without) = choice.split_once('|').unwrap_or((choice, ""));
            text.push_str(before);
            text.push_str(if self.keeps_own_weights() {
                with
            } else {
                without
            });
            rest = after;
        }
        text.push_str(rest);
        text.replace("@extschema@", &self.name)
    }

    /// Whether scores have the column of a person's own weights. The library is there before ALTER
    /// EXTENSION … UPDATE has given it to them, and scores go on being written.
    pub fn keeps_own_weights(&self) -> bool {
        // SAFETY: look-ups in the catalog's cache, of constant names.
        unsafe {
            let table = pg_sys::get_relname_relid(c"fusion_outputs".as_ptr(), self.oid);
            pg_sys::get_attnum(table, c"personal_weights".as_ptr()) != 0
        }
    }

    /// The query of a file under `sql/`, planned at most once a backend and schema.
    ///
    /// Plans are never freed: there is a fixed number of queries, and Postgres itself plans anew
    /// what a change of the tables has made stale.
    pub fn query(&self, text: &'static str) -> &'static Query {
        self.query_with(text, || text.to_owned())
    }

    /// The same for a query put together from files; `key` stands for it.
    pub fn query_with(&self, key: &'static str, text: impl FnOnce() -> String) -> &'static Query {
        thread_local! {
            static QUERIES: RefCell<Vec<(PlannedFor, &'static Query)>> = const { RefCell::new(Vec::new()) };
        }
        let planned_for = (self.oid, key.as_ptr(), self.keeps_own_weights());
        QUERIES.with_borrow_mut(|queries| {
            let known = queries.iter().find(|(known, _)| *known == planned_for);
            if let Some((_, query)) = known {
                return *query;
            }
            let query: &'static Query = Box::leak(Box::new(Query::new(self.qualify(&text()))));
            queries.push((planned_for, query));
            query
        })
    }
}

/// A schema, the key of a query, and whether its scores keep own weights.
type PlannedFor = (pg_sys::Oid, *const u8, bool);

/// A query with its kept plan. The types of its parameters are those of its first call.
pub struct Query {
    text: String,
    plan: OnceCell<OwnedPreparedStatement>,
    latest: OnceCell<pg_sys::SPIPlanPtr>,
}

impl Query {
    pub fn new(text: String) -> Query {
        Query {
            text,
            plan: OnceCell::new(),
            latest: OnceCell::new(),
        }
    }

    fn plan(
        &self,
        client: &SpiClient<'_>,
        arguments: &[DatumWithOid<'_>],
    ) -> Result<&OwnedPreparedStatement> {
        if let Some(plan) = self.plan.get() {
            return Ok(plan);
        }
        let types: Vec<PgOid> = arguments
            .iter()
            .map(|argument| PgOid::from(argument.oid()))
            .collect();
        let plan = client.prepare_mut(self.text.as_str(), &types)?.keep();
        Ok(self.plan.get_or_init(|| plan))
    }

    /// Reads with the snapshot of the calling statement; works on a standby.
    pub fn read<'conn>(
        &self,
        client: &SpiClient<'conn>,
        arguments: &[DatumWithOid<'_>],
    ) -> Result<SpiTupleTable<'conn>> {
        Ok(client.select(self.plan(client, arguments)?, None, arguments)?)
    }

    /// Runs with a snapshot of its own: sees what others committed while we waited for a lock.
    pub fn run<'conn>(
        &self,
        client: &mut SpiClient<'conn>,
        arguments: &[DatumWithOid<'_>],
    ) -> Result<SpiTupleTable<'conn>> {
        let plan = self.plan(client, arguments)?;
        Ok(client.update(plan, None, arguments)?)
    }

    /// The one row of a query about a person, as of now, whatever the transaction's snapshot.
    pub fn read_latest<T>(
        &self,
        _client: &SpiClient<'_>,
        user_id: Uuid,
        read: impl FnOnce(&LatestRow<'_>) -> T,
    ) -> Result<Option<T>> {
        let mut values = [user_id.into_datum().ok_or(Error::Missing("user_id"))?];
        let plan = self.latest_plan()?;
        // SAFETY: connected to SPI (`_client`); one parameter of the declared type; the row is read
        // before anything else runs.
        unsafe {
            let nobody = std::ptr::null_mut();
            pg_sys::SPI_execute_snapshot(
                plan,
                values.as_mut_ptr(),
                std::ptr::null(),
                pg_sys::GetLatestSnapshot(),
                nobody,
                true,
                false,
                1,
            );
            if pg_sys::SPI_processed != 1 || pg_sys::SPI_tuptable.is_null() {
                return Ok(None);
            }
            Ok(Some(read(&LatestRow(&*pg_sys::SPI_tuptable))))
        }
    }

    fn latest_plan(&self) -> Result<pg_sys::SPIPlanPtr> {
        if let Some(plan) = self.latest.get() {
            return Ok(*plan);
        }
        let text = CString::new(self.text.as_str()).map_err(|_| Error::Stored("query".into()))?;
        // SAFETY: connected to SPI; one parameter; the plan is kept for the life of the connection.
        let plan = unsafe {
            let plan = pg_sys::SPI_prepare(text.as_ptr(), 1, [pg_sys::UUIDOID].as_mut_ptr());
            if plan.is_null() || pg_sys::SPI_keepplan(plan) != 0 {
                return Err(Error::Stored("plan".into()));
            }
            plan
        };
        Ok(*self.latest.get_or_init(|| plan))
    }
}

/// A row that [`Query::read_latest`] has found.
pub struct LatestRow<'a>(&'a pg_sys::SPITupleTable);

impl LatestRow<'_> {
    /// A column, counted from 1, of the type that the query gives.
    pub fn get<T: FromDatum>(&self, column: i32) -> Option<T> {
        let mut is_null = false;
        // SAFETY: the table holds one row of this description.
        unsafe {
            let value = pg_sys::SPI_getbinval(*self.0.vals, self.0.tupdesc, column, &mut is_null);
            T::from_datum(value, is_null)
        }
    }
}
