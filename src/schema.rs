//! The only place that orders the SQL of the install script.

use pgrx::prelude::*;

extension_sql_file!("../sql/bootstrap.sql", name = "bootstrap", bootstrap);
extension_sql_file!(
    "../sql/triggers.sql",
    name = "triggers",
    requires = ["bootstrap"]
);
extension_sql_file!(
    "../sql/checks.sql",
    name = "checks",
    requires = ["bootstrap"]
);
extension_sql_file!(
    "../sql/lifecycle/progress.sql",
    name = "progress",
    requires = ["bootstrap"]
);
extension_sql_file!(
    "../sql/lifecycle/partitions.sql",
    name = "partitions",
    requires = ["progress"]
);
extension_sql_file!(
    "../sql/lifecycle/person.sql",
    name = "person",
    requires = ["progress"]
);
extension_sql_file!(
    "../sql/lifecycle/history.sql",
    name = "history_of_rows",
    requires = ["partitions"]
);
extension_sql_file!(
    "../sql/lifecycle/restore.sql",
    name = "restore",
    requires = ["person", "history_of_rows"]
);
extension_sql_file!(
    "../sql/lifecycle/export.sql",
    name = "export",
    requires = ["person"]
);
extension_sql_file!(
    "../sql/lifecycle/erase.sql",
    name = "erase",
    requires = ["person"]
);
extension_sql_file!(
    "../sql/lifecycle/uninstall.sql",
    name = "uninstall",
    requires = ["person"]
);
extension_sql_file!(
    "../sql/lifecycle/partition_sessions.sql",
    name = "partition_sessions",
    requires = ["partitions"]
);
extension_sql_file!(
    "../sql/lifecycle/archive.sql",
    name = "archive",
    requires = ["partitions"]
);
extension_sql_file!(
    "../sql/lifecycle/retention.sql",
    name = "retention",
    requires = ["archive", "triggers"]
);
extension_sql_file!(
    "../sql/lifecycle/jobs.sql",
    name = "jobs",
    requires = ["retention", "queue"]
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
extension_sql_file!(
    "../sql/audit/statements.sql",
    name = "audit",
    requires = ["triggers"]
);
extension_sql_file!(
    "../sql/audit/seal.sql",
    name = "audit_seal",
    requires = ["audit"]
);
extension_sql_file!(
    "../sql/audit/reads.sql",
    name = "read_audit",
    requires = ["audit"]
);
extension_sql_file!(
    "../sql/audit/break_glass.sql",
    name = "break_glass",
    requires = ["audit"]
);
extension_sql_file!(
    "../sql/doctor.sql",
    name = "doctor",
    requires = ["audit_seal"]
);
extension_sql_file!("../sql/finalize.sql", name = "finalize", finalize);
