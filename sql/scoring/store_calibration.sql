-- $1 person, $2 modality, $3 a, $4 b, $5 covariance, $6 points.
INSERT INTO @extschema@.user_calibration (user_id, modality, a, b, covariance, n_points)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (user_id, modality) DO UPDATE SET
    a = excluded.a, b = excluded.b, covariance = excluded.covariance, n_points = excluded.n_points, fitted_at = now()
