-- Copies of the templates: rows of other people, in every table, without scoring them again.
-- bench.copy_people(kind, first, last) makes copies number first to last of every template of a kind.
-- What is copied is consistent: a copy's scores, baselines and outcomes belong together as the template's do.
CREATE FUNCTION bench.copied(tables text[]) RETURNS regclass[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(c.oid::regclass ORDER BY c.relname)
    FROM pg_class AS c
    WHERE c.relnamespace = (SELECT extnamespace FROM pg_extension WHERE extname = 'mindmeasure') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relname IN ('session_keys', 'assessment_sessions', 'text_analysis', 'audio_analysis', 'visual_analysis', 'fusion_outputs',
          'mind_measure_scores', 'session_outcomes', 'user_baselines', 'user_feature_baselines', 'user_calibration')
      AND (tables IS NULL OR c.relname = ANY (tables))
$$;
-- Sets the templates' rows aside, so that copying does not look for them among all copies that are there already.
CREATE FUNCTION bench.set_templates_aside(tables text[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    relation regclass;
BEGIN
    FOREACH relation IN ARRAY bench.copied(tables) LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS %s AS SELECT * FROM %s WHERE user_id IN (SELECT user_id FROM bench.template)', bench.aside(relation), relation);
    END LOOP;
END;
$$;
CREATE FUNCTION bench.aside(relation regclass) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('bench.%I', 'templates_in_' || relname) FROM pg_class WHERE oid = relation
$$;
CREATE FUNCTION bench.copy_people(kind text, first int, last int, tables text[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    relation record;
BEGIN
    -- Triggers and foreign keys have seen the originals.
    SET LOCAL session_replication_role = replica;
    FOR relation IN
        SELECT c.oid::regclass AS name, coalesce(to_regclass(bench.aside(c.oid)), c.oid::regclass) AS source,
               string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS columns,
               string_agg(CASE
                   WHEN a.atttypid = 'uuid'::regtype THEN format('bench.copy_id(x.%I, g.copy)', a.attname)
                   -- Spread over a day, so that copies are not all of one moment.
                   WHEN a.attname IN ('created_at', 'session_created_at', 'processed_at', 'updated_at', 'calculated_at', 'last_observed_at')
                       THEN format('x.%I - g.copy %% 86400 * interval ''1 s''', a.attname)
                   ELSE format('x.%I', a.attname) END, ', ' ORDER BY a.attnum) AS values
        FROM unnest(bench.copied(tables)) AS c (oid)
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        GROUP BY c.oid
    LOOP
        EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s AS x JOIN bench.template AS t USING (user_id) CROSS JOIN generate_series($2, $3) AS g (copy) WHERE t.kind = $1',
            relation.name, relation.columns, relation.values, relation.source) USING kind, first, last;
    END LOOP;
END;
$$;
