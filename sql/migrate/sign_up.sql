-- A new account gets its profile, a deleted one takes its person along. auth.users may be somebody
-- else's, with triggers of these names.
DO $sign_up$
DECLARE
    wanted text[];
    name text;
BEGIN
    FOREACH wanted SLICE 1 IN ARRAY ARRAY[
        ['on_auth_user_created', 'INSERT', '@extschema@.handle_new_user()'],
        ['on_auth_user_deleted', 'DELETE', '@extschema@.mm_erase_with_account()']]
    LOOP
        name := wanted[1];
        CONTINUE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND tgfoid = wanted[3]::regprocedure);
        IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND tgname = name) THEN
            name := 'mindmeasure_' || name;
            RAISE INFO 'auth.users has a trigger % already: the one of mindmeasure is called %', wanted[1], name;
        END IF;
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON auth.users FOR EACH ROW EXECUTE FUNCTION %s', name, wanted[2], wanted[3]);
    END LOOP;
END
$sign_up$;
