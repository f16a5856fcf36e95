, told AS (
    -- What the self-report says of the session, unless somebody has said it.
    INSERT INTO @extschema@.session_outcomes AS o (session_id, user_id, worse, source, derived, session_created_at)
    SELECT x.session_id, x.user_id, x.outcome, 'self_report', true, x.session_created_at FROM scored AS x WHERE x.outcome IS NOT NULL
    ON CONFLICT (session_id) DO UPDATE SET worse = excluded.worse, recorded_at = now()
    WHERE o.derived AND o.worse <> excluded.worse
)