-- src/row_check.rs
CREATE FUNCTION @extschema@.mm_valid_row(rules text, VARIADIC "values" "any") RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'mm_valid_row';
COMMENT ON FUNCTION @extschema@.mm_valid_row(text, "any") IS
    'CHECK of a row: true where each value keeps its rule, else 23514 naming the field, never a value. rules: «field: rule, …», one for each value: for a jsonb the name of its schema (mm_json_schema), for a text its most characters (with «or sealed»: or an encrypted value), for a numeric lowest..highest. NULL keeps every rule. Errors of the rules themselves: 22023, 42704.';
