-- What scoring looks back on, in one index: docs/performance.md -------------------------
-- The last ninety days of a person, their self-reports and their newest score are read with every
-- score. Rows of fusion_outputs are wide (two to a page); here they stand side by side in the order
-- in which they are read, so that nothing is sorted and no row is opened.
DROP INDEX @extschema@.idx_fusion_outputs_user_time;
CREATE INDEX idx_fusion_outputs_user_time ON @extschema@.fusion_outputs (user_id, session_created_at DESC, session_id DESC)
    INCLUDE (p_worse_fused, qc_overall, self_report, reported_energy, reported_stress, reported_comfort, reported_social, reported_sleep);
-- An index alone answers only for pages that a vacuum has seen, and by default one comes after a
-- fifth of the table is new.
ALTER TABLE @extschema@.fusion_outputs SET (autovacuum_vacuum_insert_scale_factor = 0.01);

-- A dashboard asks for the scores of ten sessions by their ids ---------------------------
ALTER TABLE @extschema@.mind_measure_scores DROP CONSTRAINT mind_measure_scores_session_id_key;
ALTER TABLE @extschema@.mind_measure_scores ADD CONSTRAINT mind_measure_scores_session_id_key
    UNIQUE (session_id) INCLUDE (user_id, combined_score, baseline_deviation);
ALTER TABLE @extschema@.mind_measure_scores SET (autovacuum_vacuum_insert_scale_factor = 0.01);
-- Under row-level security the planner may read all of a person's scores for ten of them: with LIMIT it
-- counts but a share of the cost. Taken as 3,333 a person, that is never the cheaper way.
ALTER TABLE @extschema@.mind_measure_scores ALTER COLUMN user_id SET (n_distinct = -0.0003);

-- Baselines are rewritten with every score -----------------------------------------------
-- Room for the new versions on the same page: no index is touched, and the old ones are cleared away
-- by the next reader.
ALTER TABLE @extschema@.user_feature_baselines SET (fillfactor = 45);
ALTER TABLE @extschema@.user_baselines SET (fillfactor = 45);
