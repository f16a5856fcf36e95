-- Held by the queue worker, so that nothing archives or deletes them meanwhile.
SELECT x.* FROM unnest($1::uuid[], $2::timestamptz[]) AS w (id, at)
JOIN @extschema@.assessment_sessions AS x ON x.id = w.id AND x.created_at = w.at
