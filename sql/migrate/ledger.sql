DO $ledger$
BEGIN
    IF to_regclass('@extschema@.mm_schema_migrations') IS NULL THEN
        CREATE TABLE @extschema@.mm_schema_migrations (
            version INTEGER NOT NULL PRIMARY KEY,
            description TEXT NOT NULL,
            checksum TEXT NOT NULL,
            extension_version TEXT NOT NULL,
            applied_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
        );
        COMMENT ON TABLE @extschema@.mm_schema_migrations IS 'The migrations applied to this database by mm_migrate(), with the SHA-256 of each file.';
        ALTER TABLE @extschema@.mm_schema_migrations ENABLE ROW LEVEL SECURITY;
        CREATE POLICY "System and auditors can view migrations" ON @extschema@.mm_schema_migrations
            FOR SELECT TO mindmeasure_system, mindmeasure_auditor USING (true);
        GRANT SELECT ON @extschema@.mm_schema_migrations TO mindmeasure_system, mindmeasure_auditor;
    END IF;
END
$ledger$;
