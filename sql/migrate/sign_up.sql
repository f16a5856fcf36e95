-- A new account gets its profile. auth.users may be somebody else's, with a trigger of that name.
DO $sign_up$
DECLARE
    ours CONSTANT oid := '@extschema@.handle_new_user()'::regprocedure;
    name text := 'on_auth_user_created';
BEGIN
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND tgfoid = ours) THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND tgname = name) THEN
        name := 'mindmeasure_on_auth_user_created';
        RAISE INFO 'auth.users has a trigger on_auth_user_created already: the one of mindmeasure is called %', name;
    END IF;
    EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION @extschema@.handle_new_user()', name);
END
$sign_up$;
