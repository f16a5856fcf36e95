-- Tables that mm_uninstall() left behind get back what it took off them. Rows written meanwhile are
-- held to the checks again here: one that does not pass stops it.
DO $reattach$
DECLARE
    off record;
BEGIN
    IF to_regclass('@extschema@.mm_detached') IS NULL THEN
        RETURN;
    END IF;
    FOR off IN EXECUTE 'SELECT d.statement FROM @extschema@.mm_detached AS d ORDER BY d.position DESC' LOOP
        EXECUTE off.statement;
    END LOOP;
    DROP TABLE @extschema@.mm_detached;
    -- What changed meanwhile was not recorded: history begins here.
    IF to_regclass('@extschema@.row_history') IS NOT NULL THEN
        EXECUTE 'INSERT INTO @extschema@.row_history (user_id, table_name, row_key, action) '
                'VALUES (''00000000-0000-0000-0000-000000000000'', ''row_history'', ''00000000-0000-0000-0000-000000000000'', ''begin'')';
    END IF;
END
$reattach$;
