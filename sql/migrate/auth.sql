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
        -- A function of the library itself: it outlives DROP EXTENSION, as the tables and policies do,
        -- and costs less than one in SQL.
        CREATE FUNCTION auth.uid() RETURNS uuid
            LANGUAGE c STABLE PARALLEL RESTRICTED AS '$libdir/mindmeasure', 'mm_current_person_wrapper';
        REVOKE ALL ON FUNCTION auth.uid() FROM PUBLIC;
    ELSIF to_regprocedure('@extschema@.mm_current_person()') IS NOT NULL AND EXISTS (
        -- Still word for word the one that 1.0 made: it asked nobody but the claims.
        SELECT FROM pg_proc AS p
        WHERE p.oid = 'auth.uid()'::regprocedure
          AND regexp_replace(p.prosrc, '\s+', ' ', 'g') = $uid$ SELECT nullif(coalesce( nullif(current_setting('request.jwt.claim.sub', true), ''), nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'), '')::uuid $uid$) THEN
        -- An extension's script may replace members only.
        ALTER EXTENSION mindmeasure ADD FUNCTION auth.uid();
        CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid
            LANGUAGE c STABLE PARALLEL RESTRICTED AS '$libdir/mindmeasure', 'mm_current_person_wrapper';
        ALTER EXTENSION mindmeasure DROP FUNCTION auth.uid();
    END IF;
    IF EXISTS (SELECT FROM pg_proc WHERE oid = 'auth.uid()'::regprocedure AND prosrc = 'mm_current_person_wrapper') THEN
        COMMENT ON FUNCTION auth.uid() IS
            'The person this transaction speaks for: whom mm_set_identity() has verified; else, unless mindmeasure.require_verified_identity is on, request.jwt.claim.sub, else sub of request.jwt.claims; else NULL (nobody). Made by mindmeasure because it was missing.';
    END IF;
    -- Policies ask auth.uid() as the querying role, scoring asks it as mindmeasure_owner.
    GRANT USAGE ON SCHEMA auth TO mindmeasure_owner, mindmeasure_user, mindmeasure_system;
    GRANT EXECUTE ON FUNCTION auth.uid() TO mindmeasure_owner, mindmeasure_user, mindmeasure_system;
END
$auth$;
