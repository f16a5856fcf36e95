-- $1 person, $2 modality, $3 a, $4 b, $5 covariance, $6 points, $7 log-odds of the own rate or NULL.
INSERT INTO @extschema@.user_calibration (user_id, modality, a, b, covariance, n_points, own_logit)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (user_id, modality) DO UPDATE SET
    a = excluded.a, b = excluded.b, covariance = excluded.covariance, n_points = excluded.n_points, own_logit = excluded.own_logit, fitted_at = now()
