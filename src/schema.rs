//! The only place that orders the SQL of the install script.

use pgrx::prelude::*;

extension_sql_file!("../sql/bootstrap.sql", name = "bootstrap", bootstrap);
extension_sql_file!(
    "../sql/triggers.sql",
    name = "triggers",
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
extension_sql_file!("../sql/queue.sql", name = "queue", requires = ["triggers"]);
extension_sql_file!(
    "../sql/reading.sql",
    name = "reading",
    requires = ["triggers"]
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
