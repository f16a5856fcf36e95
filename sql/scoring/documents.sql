-- What a session says: the columns of the session and of the newest analysis of each modality.
-- Two places are filled in by src/load/mod.rs: which sessions, and the JSONB columns that the model reads.
SELECT s.id,
       s.created_at,
       s.assessment_type,
       coalesce(s.mood_after, s.mood_before) AS mood,
       -- A sealed value opens as what it was sealed for: its column, its row.
       CASE WHEN s.mood_after IS NULL THEN 'mood_before' ELSE 'mood_after' END AS mood_column,
       ARRAY[t.id, a.id, v.id, p.id] AS rows,
       -- Rounded first: the cast refuses a number too small for float8 (1e-400).
       ARRAY[round(t.text_wellness_score, 300)::float8, round(a.audio_wellness_score, 300)::float8,
             round(v.visual_wellness_score, 300)::float8, round(p.passive_wellness_score, 300)::float8] AS wellness
       @documents@
FROM (@source@) AS s
LEFT JOIN LATERAL (SELECT x.* FROM @extschema@.text_analysis AS x WHERE x.session_id = s.id
                   ORDER BY x.processed_at DESC, x.id DESC LIMIT 1) AS t ON true
LEFT JOIN LATERAL (SELECT x.* FROM @extschema@.audio_analysis AS x WHERE x.session_id = s.id
                   ORDER BY x.processed_at DESC, x.id DESC LIMIT 1) AS a ON true
LEFT JOIN LATERAL (SELECT x.* FROM @extschema@.visual_analysis AS x WHERE x.session_id = s.id
                   ORDER BY x.processed_at DESC, x.id DESC LIMIT 1) AS v ON true
LEFT JOIN LATERAL (SELECT x.* FROM @extschema@.passive_analysis AS x WHERE x.session_id = s.id
                   ORDER BY x.processed_at DESC, x.id DESC LIMIT 1) AS p ON true
