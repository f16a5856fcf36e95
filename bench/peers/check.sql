-- Whether somebody else's scoring gives the same numbers: everything that was written for a session, as one
-- document, and where two such documents differ by more than 1e-9.
CREATE FUNCTION bench.written(session uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'fusion', (SELECT to_jsonb(f) - '{id,created_at}'::text[] FROM fusion_outputs AS f WHERE session_id = session),
        -- Patterns are words that the others do not write.
        'compared', (SELECT to_jsonb(m) - '{id,calculated_at}'::text[] #- '{trend_analysis,patterns}' FROM mind_measure_scores AS m WHERE session_id = session),
        'status', (SELECT status FROM assessment_sessions WHERE id = session),
        'outcome', (SELECT to_jsonb(o) - 'recorded_at' FROM session_outcomes AS o WHERE session_id = session),
        'features', (SELECT jsonb_object_agg(feature_name, to_jsonb(b) - '{id,created_at,updated_at}'::text[]) FROM user_feature_baselines AS b WHERE b.user_id = k.user_id),
        'metrics', (SELECT jsonb_object_agg(metric_type, to_jsonb(b) - '{id,created_at,last_updated}'::text[]) FROM user_baselines AS b WHERE b.user_id = k.user_id))
    FROM session_keys AS k WHERE k.id = session
$$;
CREATE FUNCTION bench.leaves(document jsonb, path text) RETURNS TABLE (leaf text, value jsonb) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF jsonb_typeof(document) = 'object' AND document <> '{}' THEN
        RETURN QUERY SELECT l.* FROM jsonb_each(document) AS e CROSS JOIN LATERAL bench.leaves(e.value, path || '.' || e.key) AS l;
    ELSIF jsonb_typeof(document) = 'array' AND document <> '[]' THEN
        RETURN QUERY SELECT l.* FROM jsonb_array_elements(document) WITH ORDINALITY AS e (value, i) CROSS JOIN LATERAL bench.leaves(e.value, format('%s[%s]', path, e.i)) AS l;
    ELSE
        RETURN QUERY SELECT path, document;
    END IF;
END;
$$;
CREATE FUNCTION bench.differences(ours jsonb, theirs jsonb) RETURNS TABLE (leaf text, ours jsonb, theirs jsonb) LANGUAGE sql IMMUTABLE AS $$
    SELECT leaf, a.value, b.value FROM bench.leaves($1, '') AS a FULL JOIN bench.leaves($2, '') AS b USING (leaf)
    WHERE CASE WHEN jsonb_typeof(a.value) = 'number' AND jsonb_typeof(b.value) = 'number'
        THEN abs(a.value::float8 - b.value::float8) > 1e-9 * greatest(1, abs(a.value::float8)) ELSE a.value IS DISTINCT FROM b.value END
$$;
CREATE FUNCTION bench.refuse_differences(who text, ours jsonb, theirs jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    told text;
BEGIN
    IF ours -> 'fusion' = 'null' THEN
        RAISE EXCEPTION 'nothing was scored';
    END IF;
    SELECT string_agg(format('%s: %s, not %s', leaf, d.theirs, d.ours), E'\n') INTO told FROM (SELECT * FROM bench.differences(ours, theirs) LIMIT 10) AS d;
    IF told IS NOT NULL THEN
        RAISE EXCEPTION E'% does not give the same numbers:\n%', who, told USING HINT = 'A ratio would compare two different things.';
    END IF;
END;
$$;
-- The peer in PL/pgSQL, a session at a time, each taken back. Scores of both stand in the same state.
CREATE PROCEDURE bench.check_plpgsql(ids uuid[]) LANGUAGE plpgsql AS $$
DECLARE
    one uuid;
    ours jsonb;
    theirs jsonb;
BEGIN
    FOREACH one IN ARRAY ids LOOP
        PERFORM FROM mm_fuse_session(one);
        ours := bench.written(one);
        ROLLBACK;
        PERFORM bench.fuse_plpgsql(one);
        theirs := bench.written(one);
        ROLLBACK;
        PERFORM bench.refuse_differences('plpgsql', ours, theirs);
    END LOOP;
END;
$$;
