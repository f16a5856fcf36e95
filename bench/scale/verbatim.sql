-- The document's own schema, filled with the same sessions. Row-level security is on where it gives
-- policies; mind_measure_scores, for which it gives none, is left open to its readers.
\ir ../../tests/sql/lib/seed_schema.psql
SELECT format('ALTER TABLE seed.%I ENABLE ROW LEVEL SECURITY', t) FROM unnest('{profiles,assessment_sessions,text_analysis}'::text[]) AS t \gexec
GRANT USAGE ON SCHEMA seed TO PUBLIC;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA seed TO mindmeasure_user, mindmeasure_system;
-- A worker of the document's is one that policies let through.
CREATE POLICY "worker" ON seed.assessment_sessions TO mindmeasure_system USING (true) WITH CHECK (true);
CREATE POLICY "worker" ON seed.text_analysis TO mindmeasure_system USING (true) WITH CHECK (true);
SET session_replication_role = replica;
SELECT format('INSERT INTO seed.%1$I (%2$s) SELECT %2$s FROM public.%1$I', t, string_agg(quote_ident(a.attname), ', '))
FROM unnest('{assessment_sessions,text_analysis,mind_measure_scores}'::text[]) AS t
JOIN pg_attribute AS a ON a.attrelid = format('seed.%I', t)::regclass AND a.attnum > 0 GROUP BY t
\gexec
RESET session_replication_role;
