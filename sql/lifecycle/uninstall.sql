-- Taking the extension off its tables. sql/migrate/reattach.sql puts it on again.

CREATE FUNCTION @extschema@.mm_uninstall(drop_data boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    taken bigint := 0;
    round bigint;
    holding record;
    held record;
    rows bigint;
    tables text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = current_user AND r.rolsuper) THEN
        RAISE EXCEPTION 'permission denied: this is for a superuser' USING ERRCODE = 'insufficient_privilege',
            HINT = 'Whoever may DROP EXTENSION mindmeasure takes it off.';
    END IF;
    IF drop_data IS NULL THEN
        RAISE EXCEPTION 'drop_data: must not be NULL' USING ERRCODE = 'null_value_not_allowed', HINT = 'Give false to keep all rows, true to drop the tables.';
    END IF;
    IF to_regclass('@extschema@.mm_detached') IS NULL THEN
        CREATE TABLE @extschema@.mm_detached (
            position BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            statement TEXT NOT NULL
        );
        ALTER TABLE @extschema@.mm_detached ENABLE ROW LEVEL SECURITY;
        ALTER TABLE @extschema@.mm_detached OWNER TO mindmeasure_owner;
        COMMENT ON TABLE @extschema@.mm_detached IS 'What mm_uninstall() took off the tables; CREATE EXTENSION mindmeasure puts it back and drops this table.';
    END IF;
    -- What partitions have from their parent goes with it: round by round, parents first.
    LOOP
        round := 0;
        FOR holding IN
            WITH member AS (
                SELECT d.classid, d.objid FROM pg_depend AS d
                JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'mindmeasure'
                WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
            ), dependent AS (
                SELECT DISTINCT d.classid, d.objid
                FROM pg_depend AS d
                JOIN member AS m ON m.classid = d.refclassid AND m.objid = d.refobjid
                WHERE d.deptype IN ('n', 'a') AND (d.classid, d.objid) NOT IN (SELECT x.classid, x.objid FROM member AS x)
            )
            SELECT format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass) AS off,
                   -- mm_migrate() makes those on auth.users itself.
                   CASE WHEN t.tgrelid <> to_regclass('auth.users') THEN pg_get_triggerdef(t.oid) END AS "on"
            FROM dependent AS d JOIN pg_trigger AS t ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
            WHERE t.tgparentid = 0
            UNION ALL
            SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname),
                   format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
            FROM dependent AS d JOIN pg_constraint AS c ON d.classid = 'pg_constraint'::regclass AND d.objid = c.oid
            WHERE c.conrelid <> 0 AND c.coninhcount = 0
            UNION ALL
            SELECT format('DROP POLICY %I ON %s', p.polname, p.polrelid::regclass),
                   format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, p.polrelid::regclass,
                       CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                       CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                       (SELECT string_agg(CASE WHEN r.role = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.role)) END, ', ') FROM unnest(p.polroles) AS r (role)),
                       ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
            FROM dependent AS d JOIN pg_policy AS p ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
            UNION ALL
            SELECT format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', a.attrelid::regclass, a.attname),
                   format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', a.attrelid::regclass, a.attname, pg_get_expr(f.adbin, f.adrelid))
            FROM dependent AS d JOIN pg_attrdef AS f ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
            JOIN pg_attribute AS a ON a.attrelid = f.adrelid AND a.attnum = f.adnum AND a.attgenerated = ''
            UNION ALL
            -- Views of somebody else's stay, and keep the extension: whose they are decides.
            SELECT format('DROP VIEW %s', v.oid::regclass),
                   format('CREATE VIEW %s%s AS %s', v.oid::regclass, ' WITH (' || array_to_string(v.reloptions, ', ') || ')', rtrim(pg_get_viewdef(v.oid), ';'))
                   || format('; ALTER VIEW %s OWNER TO mindmeasure_owner', v.oid::regclass)
                   || coalesce((SELECT string_agg(format('; GRANT %s ON %s TO %I', g.privilege_type, v.oid::regclass, pg_get_userbyid(g.grantee)), '')
                                FROM aclexplode(v.relacl) AS g WHERE g.grantee NOT IN (0, v.relowner)), '')
            FROM dependent AS d JOIN pg_rewrite AS w ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
            JOIN pg_class AS v ON v.oid = w.ev_class AND v.relkind = 'v' AND v.relowner = 'mindmeasure_owner'::regrole
        LOOP
            EXECUTE holding.off;
            IF holding."on" IS NOT NULL THEN
                INSERT INTO @extschema@.mm_detached (statement) VALUES (holding."on");
            END IF;
            round := round + 1;
        END LOOP;
        EXIT WHEN round = 0;
        taken := taken + round;
    END LOOP;
    IF drop_data THEN
        FOR held IN
            SELECT c.oid::regclass AS relation FROM pg_class AS c
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relowner = 'mindmeasure_owner'::regrole
              AND c.relnamespace = to_regnamespace('@extschema@') AND c.relname <> 'mm_detached'
            ORDER BY c.relname
        LOOP
            EXECUTE format('SELECT count(*) FROM %s', held.relation) INTO STRICT rows;
            RAISE NOTICE '%: % rows dropped', held.relation, rows;
            tables := concat_ws(', ', tables, held.relation::text);
        END LOOP;
        -- Without CASCADE: what others have built on the tables keeps them.
        EXECUTE format('DROP TABLE %s, @extschema@.mm_detached', tables);
    END IF;
    RETURN taken;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_uninstall(boolean) IS
    'Takes off the tables what holds the extension (triggers, checks, policies and views that use its functions), so that DROP EXTENSION mindmeasure goes through; returns how many these were. All rows stay, with row-level security on; a later CREATE EXTENSION mindmeasure in the same schema puts everything back. drop_data => true drops the tables too, after a NOTICE with the rows of each; auth.users stays. Superuser. Errors: 2BP01 something of somebody else''s hangs on the tables, 22004 NULL.';
