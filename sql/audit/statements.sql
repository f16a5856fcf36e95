-- The audit of writes: who did what to whose rows, never a copy of what is in them.
-- One line a statement and person, by statement-level triggers that mm_audit_table() puts on a table.

-- Lines name people by a pseudonym. Erasing a person takes its row out of audit_subjects: the lines
-- stay, sealed as they are, and nobody can tell any more whose they were.
CREATE FUNCTION @extschema@.mm_audit_subject(person uuid, make boolean DEFAULT true) RETURNS uuid
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    found_subject uuid;
BEGIN
    SELECT s.subject INTO found_subject FROM @extschema@.audit_subjects AS s WHERE s.user_id = person;
    IF found_subject IS NULL AND make AND person IS NOT NULL THEN
        INSERT INTO @extschema@.audit_subjects (user_id) VALUES (person)
        ON CONFLICT (user_id) DO NOTHING RETURNING subject INTO found_subject;
        IF found_subject IS NULL THEN
            SELECT s.subject INTO found_subject FROM @extschema@.audit_subjects AS s WHERE s.user_id = person;
        END IF;
    END IF;
    RETURN found_subject;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_audit_subject(uuid, boolean) IS
    'The pseudonym under which audit_log names a person; make: one is made where there is none.';

CREATE FUNCTION @extschema@.mm_audit(action text, table_name text, subject uuid, detail jsonb) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    -- An erasure must not give the person it has just forgotten a new pseudonym.
    make CONSTANT boolean := action NOT LIKE 'ERASE%';
    person uuid;
BEGIN
    -- A worker's claims may name somebody who is no UUID: that is nobody, and no error of what it does.
    BEGIN
        person := auth.uid();
    EXCEPTION WHEN data_exception THEN
        person := NULL;
    END;
    INSERT INTO @extschema@.audit_log (action, table_name, subject, actor, detail)
    VALUES (action, table_name, @extschema@.mm_audit_subject(subject, make), @extschema@.mm_audit_subject(person, make), detail);
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_audit(text, text, uuid, jsonb) IS
    'Writes a line of audit_log for a function that audits itself (DECRYPT, EXPORT, ERASE, RESTORE, ARCHIVE …): subject is the person whose rows were met, detail what else is worth knowing, never data. For the extension''s own functions: nobody else may call it.';

-- src/audit/mod.rs
CREATE FUNCTION @extschema@.mm_audit_statement() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_audit_statement';
COMMENT ON FUNCTION @extschema@.mm_audit_statement() IS
    'Trigger after a statement: one line of audit_log a person whose rows it wrote, with the ids of the first 100 rows and, for an UPDATE, the names of the changed columns. Argument scored: none where scoring writes. None where the owner moves rows to the archive (mindmeasure.moving_to_archive) either: that has a line of its own.';

CREATE FUNCTION @extschema@.mm_audit_table(relation regclass, scored boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    event text[];
BEGIN
    FOREACH event SLICE 1 IN ARRAY ARRAY[
        ['INSERT', 'REFERENCING NEW TABLE AS new_rows'],
        ['UPDATE', 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'],
        ['DELETE', 'REFERENCING OLD TABLE AS old_rows'],
        ['TRUNCATE', '']] LOOP
        -- No WHEN: Postgres parses it anew for every statement, which costs more than the call.
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.mm_audit_statement(%s)',
            'audit_' || lower(event[1]), event[1], relation, event[2], CASE WHEN scored THEN quote_literal('scored') END);
    END LOOP;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_audit_table(regclass, boolean) IS
    'Puts a table under the audit: four statement-level triggers, audit_insert, audit_update, audit_delete, audit_truncate. scored: the table is written with every score, of which fusion_outputs tells already, so only others than scoring leave a line. For an application''s own tables too; a column user_id says whose rows they are.';

CREATE FUNCTION @extschema@.mm_refuse_rewriting() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RAISE EXCEPTION '%: is append-only', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME,
              HINT = 'What was written down stays. Retention takes away whole partitions once they are old enough.';
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_refuse_rewriting() IS
    'Trigger: refuses UPDATE, DELETE and TRUNCATE of what may only grow (42501), to the owner and to superusers as well.';
