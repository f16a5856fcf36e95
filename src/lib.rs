//! mindmeasure: the whole database of a mental-wellness assessment platform, as a PostgreSQL
//! extension. This crate is the glue; the mathematics is in `crates/scoring`, the SQL in `sql/`.
//!
//! One session's way through the files: [`fuse`] (who may, one at a time a person) → [`load`] (one
//! read) → `mindmeasure_scoring::score` (pure) → [`store`] (one write).

pgrx::pg_module_magic!(name, version);

mod archive;
mod audit;
mod batch;
mod calibrate;
mod caller;
mod chart;
mod direct;
mod entry;
mod error;
mod explain;
mod fuse;
mod history;
mod identity;
mod jsonb;
mod jsonb_tree;
mod key_file;
mod learn;
mod load;
mod migrate;
mod models;
mod outcomes;
mod own_rate;
mod page;
mod population;
mod privacy;
mod questionnaire;
mod row_check;
mod schema;
mod session_time;
mod settings;
mod sql;
mod store;
mod transition;
mod trigger;
mod validate;

#[pgrx::pg_guard]
extern "C-unwind" fn _PG_init() {
    settings::define();
    privacy::start();
    identity::watch_transactions();
    audit::reads::install();
}
