-- auth: what is there is never touched; what is missing is made, and belongs to the
-- database, not to the extension, so that pg_dump keeps its rows.
DO $auth$
BEGIN
    IF to_regnamespace('auth') IS NULL THEN
        CREATE SCHEMA auth;
        COMMENT ON SCHEMA auth IS 'Identity: who the present request speaks for. Made by mindmeasure because it was missing.';
    END IF;
    IF to_regclass('auth.users') IS NULL THEN
        CREATE TABLE auth.users (
            id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
            email text,
            raw_user_meta_data jsonb,
            created_at timestamptz NOT NULL DEFAULT now()
        );
        ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
        -- mm_erase_user() deletes the account, too.
        GRANT SELECT (id), DELETE ON auth.users TO mindmeasure_owner;
        CREATE POLICY "mindmeasure can delete accounts" ON auth.users TO mindmeasure_owner USING (true);
        COMMENT ON TABLE auth.users IS 'One row an account. Made by mindmeasure because it was missing; written by the operator''s sign-up service only.';
    END IF;
    IF to_regprocedure('auth.uid()') IS NULL THEN
        CREATE FUNCTION auth.uid() RETURNS uuid
            LANGUAGE sql STABLE PARALLEL SAFE
            SET search_path = pg_catalog, pg_temp
            AS $uid$
                SELECT nullif(coalesce(
                    nullif(current_setting('request.jwt.claim.sub', true), ''),
                    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'), '')::uuid
            $uid$;
        REVOKE ALL ON FUNCTION auth.uid() FROM PUBLIC;
        COMMENT ON FUNCTION auth.uid() IS
            'The person this transaction speaks for: request.jwt.claim.sub, else sub of request.jwt.claims, else NULL (nobody). Made by mindmeasure because it was missing.';
    END IF;
    -- Policies ask auth.uid() as the querying role, scoring asks it as mindmeasure_owner.
    GRANT USAGE ON SCHEMA auth TO mindmeasure_owner, mindmeasure_user, mindmeasure_system;
    GRANT EXECUTE ON FUNCTION auth.uid() TO mindmeasure_owner, mindmeasure_user, mindmeasure_system;
END
$auth$;
