-- src/store/mod.rs fills in which sessions have been scored.
UPDATE @extschema@.assessment_sessions AS s SET status = 'completed', failure_reason = NULL
@which@ AND (s.status <> 'completed' OR s.failure_reason IS NOT NULL)
