-- A person's calibration follows their own rate ------------------------------------------
ALTER TABLE @extschema@.user_calibration ADD COLUMN own_logit DOUBLE PRECISION,
    ADD CONSTRAINT user_calibration_own_logit CHECK ((own_logit BETWEEN -1000 AND 1000) IS NOT FALSE OR @extschema@.mm_refuse('own_logit', 'a number from -1000 to 1000, or NULL'));
COMMENT ON COLUMN @extschema@.user_calibration.own_logit IS 'Log-odds of the person''s own rate when b was fitted. A later score takes b + (log-odds of the own rate then - own_logit). NULL: b as it stands.';
