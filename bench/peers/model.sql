-- The peers know no weights of a person's own (personal.weight_sd): they and the product are held against each
-- other with a model without, where the product has them.
DO $$
BEGIN
    PERFORM mm_register_model((SELECT spec || '{"model_version": "v1.0, one weight for all", "personal": {"weight_sd": 0}}' FROM mm_models WHERE is_active));
    PERFORM mm_activate_model('v1.0, one weight for all');
EXCEPTION
    -- A product that does not know the key has no such weights.
    WHEN invalid_parameter_value OR data_exception THEN NULL;
END;
$$;
