-- One row as JSON, its encrypted columns opened: for functions that walk the catalog.
CREATE FUNCTION @extschema@.mm_reveal(table_name text, row_data jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    opened jsonb := row_data;
    protected record;
    row_id uuid;
    person uuid;
BEGIN
    FOR protected IN SELECT p.column_name, p.data_type FROM @extschema@.mm_protected_columns() AS p WHERE p.table_name = mm_reveal.table_name LOOP
        -- A JSON null may be NULL or a document: neither is sealed.
        CONTINUE WHEN coalesce(jsonb_typeof(row_data -> protected.column_name), 'null') = 'null';
        -- Only a protected table's rows are sure to have both.
        row_id := row_data ->> 'id';
        person := row_data ->> 'user_id';
        opened := jsonb_set(opened, ARRAY[protected.column_name], CASE protected.data_type
            WHEN 'jsonb' THEN @extschema@.mm_decrypt(table_name, protected.column_name, row_id, person, row_data -> protected.column_name)
            ELSE to_jsonb(@extschema@.mm_decrypt(table_name, protected.column_name, row_id, person, row_data ->> protected.column_name)) END);
    END LOOP;
    RETURN opened;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_reveal(text, jsonb) IS
    'to_jsonb() of a row of table_name, with the columns of mm_protected_columns() opened; other tables'' rows as they are. Caller: the system role, or the row''s person (42501). Errors: as mm_decrypt().';

-- The other way: for functions that keep rows as JSON.
CREATE FUNCTION @extschema@.mm_conceal(table_name text, row_data jsonb) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    sealed jsonb := row_data;
    protected record;
    row_id uuid;
    person uuid;
BEGIN
    IF NOT @extschema@.mm_encryption_on() THEN
        RETURN row_data;
    END IF;
    FOR protected IN SELECT p.column_name, p.data_type FROM @extschema@.mm_protected_columns() AS p WHERE p.table_name = mm_conceal.table_name LOOP
        CONTINUE WHEN coalesce(jsonb_typeof(row_data -> protected.column_name), 'null') = 'null'
            OR CASE protected.data_type WHEN 'jsonb' THEN @extschema@.mm_is_envelope(row_data -> protected.column_name)
                                        ELSE @extschema@.mm_is_envelope(row_data ->> protected.column_name) END;
        row_id := row_data ->> 'id';
        person := row_data ->> 'user_id';
        sealed := jsonb_set(sealed, ARRAY[protected.column_name], CASE protected.data_type
            WHEN 'jsonb' THEN @extschema@.mm_encrypt(table_name, protected.column_name, row_id, person, row_data -> protected.column_name)
            ELSE to_jsonb(@extschema@.mm_encrypt(table_name, protected.column_name, row_id, person, row_data ->> protected.column_name)) END);
    END LOOP;
    RETURN sealed;
END;
$$;
COMMENT ON FUNCTION @extschema@.mm_conceal(text, jsonb) IS
    'to_jsonb() of a row of table_name with the columns of mm_protected_columns() sealed, where encryption is on; what is sealed stays. mm_reveal() opens it. Caller: the system role, or the row''s person (42501). Errors: as mm_encrypt().';
