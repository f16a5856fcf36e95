-- Scores are joined by session ------------------------------------------------------------
-- The ids are random, and unique: what ANALYZE writes down of them tells a plan nothing, but makes it look up
-- where their range begins and ends, in the indexes of both tables, a quarter of the time to plan a dashboard.
ALTER TABLE @extschema@.mind_measure_scores ALTER COLUMN session_id SET STATISTICS 0;
