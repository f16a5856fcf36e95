-- What is measured, and how. Every figure is microseconds of processor time of the backend: on a busy
-- machine the clock measures the neighbours. Ours and the other's alternate within a round.
\ir spent.sql
GRANT USAGE ON SCHEMA bench TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO PUBLIC;

-- Pending sessions of copies first to last of the people of a kind; per_person each, later than all before.
CREATE FUNCTION bench.pending(kind text, first int, last int, per_person int, label text) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    people uuid[];
    times timestamptz[];
BEGIN
    SELECT array_agg(md5(format('%s %s %s %s', t.user_id, c, n, label))::uuid ORDER BY n, c, t.user_id), array_agg(bench.copy_id(t.user_id, c) ORDER BY n, c, t.user_id),
           array_agg(now() - interval '20 hours' + n * interval '1 ms' ORDER BY n, c, t.user_id)
    INTO ids, people, times
    FROM bench.template AS t, generate_series(first, last) AS c, generate_series(1, per_person) AS n WHERE t.kind = $1;
    PERFORM bench.add_sessions(ids, people, times);
    RETURN ids;
END;
$$;

-- One call a session, each a transaction of its own.
CREATE PROCEDURE bench.fuse_each(ids uuid[], INOUT took float8) LANGUAGE plpgsql AS $$
DECLARE
    id uuid;
    before CONSTANT float8 := bench.spent();
BEGIN
    FOREACH id IN ARRAY ids LOOP
        PERFORM FROM mm_fuse_session(id);
        COMMIT;
    END LOOP;
    took := (bench.spent() - before) / cardinality(ids);
END;
$$;
CREATE PROCEDURE bench.floor_each(ids uuid[], INOUT took float8) LANGUAGE plpgsql AS $$
DECLARE
    id uuid;
    before CONSTANT float8 := bench.spent();
    c bench.constants;
BEGIN
    SELECT * INTO c FROM bench.constants;
    FOREACH id IN ARRAY ids LOOP
        PERFORM bench.floor(id, c);
        COMMIT;
    END LOOP;
    took := (bench.spent() - before) / cardinality(ids);
END;
$$;

-- Reads, as a person: the query's text with $1 the person, prepared or as the simple protocol sends it.
CREATE FUNCTION bench.read_as(person uuid, query text, prepared boolean) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    repeats int := 0;
    before float8;
    took float8 := 0;
BEGIN
    PERFORM set_config('request.jwt.claims', json_build_object('sub', person)::text, false);
    IF prepared THEN
        EXECUTE format('PREPARE bench_read (uuid) AS %s', query);
        -- Five custom plans, then the generic one where it is as good.
        FOR i IN 1 .. 6 LOOP
            EXECUTE format('EXECUTE bench_read (%L)', person);
        END LOOP;
    END IF;
    before := bench.spent();
    WHILE took < 50000 LOOP
        FOR i IN 1 .. 20 LOOP
            IF prepared THEN
                EXECUTE format('EXECUTE bench_read (%L)', person);
            ELSE
                EXECUTE replace(query, '$1', quote_literal(person) || '::uuid');
            END IF;
        END LOOP;
        repeats := repeats + 20;
        took := bench.spent() - before;
    END LOOP;
    IF prepared THEN
        DEALLOCATE bench_read;
    END IF;
    RETURN took / repeats;
END;
$$;
CREATE FUNCTION bench.dashboard(schema text) RETURNS text LANGUAGE sql AS $$
    SELECT format('SELECT s.*, ms.combined_score, ms.baseline_deviation FROM %1$I.assessment_sessions s
        LEFT JOIN %1$I.mind_measure_scores ms ON s.id = ms.session_id WHERE s.user_id = $1 ORDER BY s.created_at DESC LIMIT 10', schema)
$$;

-- A statement over and over, each a transaction of its own; $1 a number.
CREATE PROCEDURE bench.write_each(statement text, first int, last int, INOUT took float8) LANGUAGE plpgsql AS $$
DECLARE
    before CONSTANT float8 := bench.spent();
BEGIN
    EXECUTE format('PREPARE bench_write (int) AS %s', statement);
    FOR i IN first .. last LOOP
        EXECUTE format('EXECUTE bench_write (%s)', i);
        COMMIT;
    END LOOP;
    took := (bench.spent() - before) / (last - first + 1);
    DEALLOCATE bench_write;
END;
$$;
