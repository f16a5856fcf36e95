SELECT x.*
FROM (SELECT s.id, s.created_at, s.assessment_type, s.mood_before, s.mood_after, s.text_data, s.audio_data, s.visual_data, s.status
      FROM @extschema@.assessment_sessions AS s WHERE s.user_id = $1 AND s.created_at >= $2
      UNION ALL
      SELECT s.id, s.created_at, s.assessment_type, s.mood_before, s.mood_after, s.text_data, s.audio_data, s.visual_data, s.status
      FROM @extschema@.assessment_sessions_archive AS s WHERE s.user_id = $1 AND s.created_at >= $2) AS x
WHERE (x.created_at, x.id) > ($2, $3)
  AND (x.status = 'completed' OR EXISTS (SELECT FROM @extschema@.fusion_outputs AS f WHERE f.session_id = x.id))
ORDER BY x.created_at, x.id
LIMIT 100
