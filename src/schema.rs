//! The only place that orders the SQL of the install script.

use pgrx::prelude::*;

extension_sql_file!("../sql/bootstrap.sql", name = "bootstrap", bootstrap);
extension_sql_file!(
    "../sql/triggers.sql",
    name = "triggers",
    requires = ["bootstrap"]
);
extension_sql_file!("../sql/queue.sql", name = "queue", requires = ["triggers"]);
extension_sql_file!(
    "../sql/reading.sql",
    name = "reading",
    requires = ["triggers"]
);
extension_sql_file!(
    "../sql/privacy/seal.sql",
    name = "seal",
    requires = ["bootstrap"]
);
extension_sql_file!(
    "../sql/privacy/clear_views.sql",
    name = "clear_views",
    requires = ["bootstrap"]
);
extension_sql_file!(
    "../sql/privacy/reveal.sql",
    name = "reveal",
    requires = ["bootstrap"]
);
extension_sql_file!(
    "../sql/privacy/existing.sql",
    name = "existing",
    requires = ["bootstrap"]
);
extension_sql_file!("../sql/finalize.sql", name = "finalize", finalize);
