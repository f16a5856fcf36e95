-- A person's fitted calibrations: on their own, and within person.sql.
SELECT array_agg(x.modality) AS modalities, array_agg(x.a) AS a, array_agg(x.b) AS b,
       array_agg(x.covariance[1]) AS var_a, array_agg(x.covariance[2]) AS cov, array_agg(x.covariance[3]) AS var_b,
       array_agg(x.own_logit) AS own_logit
FROM @extschema@.user_calibration AS x WHERE x.user_id = @person@
