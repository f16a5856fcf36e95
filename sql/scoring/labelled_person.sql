-- $1 person, $2 the model's version. Evidence of their labelled sessions as that model scored it.
SELECT o.worse, f.raw_text, f.raw_audio, f.raw_visual, f.raw_passive
FROM @extschema@.session_outcomes AS o
JOIN @extschema@.fusion_outputs AS f ON f.session_id = o.session_id
WHERE o.user_id = $1 AND f.model_version = $2
ORDER BY o.session_created_at, o.session_id
