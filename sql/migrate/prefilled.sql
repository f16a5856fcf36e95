-- The tables that this very call fills: a data-only restore brings their rows as well.
DO $prefilled$
DECLARE
    name text;
    arguments text;
BEGIN
    FOR name, arguments IN VALUES
        ('mm_models', $$'is_active'$$), ('mm_schema_migrations', ''), ('retention_policies', '')
    LOOP
        CONTINUE WHEN to_regclass(format('@extschema@.%I', name)) IS NULL; -- comes with a later version
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = format('@extschema@.%I', name)::regclass AND tgname = 'take_restored_row') THEN
            EXECUTE format('CREATE TRIGGER take_restored_row BEFORE INSERT ON @extschema@.%I FOR EACH ROW EXECUTE FUNCTION @extschema@.mm_take_restored_row(%s)', name, arguments);
        END IF;
    END LOOP;
END
$prefilled$;
