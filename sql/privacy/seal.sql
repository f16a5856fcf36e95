-- The trigger that encrypts: src/privacy/seal.rs.
CREATE FUNCTION @extschema@.mm_seal() RETURNS trigger
    LANGUAGE c SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_seal_wrapper';
COMMENT ON FUNCTION @extschema@.mm_seal() IS
    'Trigger, BEFORE INSERT OR UPDATE of a row; argument: the table whose values these are. Validates what the statement writes into the columns of mm_protected_columns() and, where mindmeasure.key_file is set, seals it. What comes sealed must open in its place (MM023) and be valid; what looks sealed and is not is refused (23514). Errors: MM020 key file, MM021 key-encryption key, MM022 data key, MM024 sealed value without a key file.';

CREATE FUNCTION @extschema@.mm_keep_updated_at() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    NEW.updated_at := OLD.updated_at;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_keep_updated_at() IS
    'Trigger: leaves updated_at what it was, for rows that are only encrypted.';
