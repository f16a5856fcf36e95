-- What the cohort teaches, and how well it holds for people it was not learnt from.
\timing on
SELECT mm_fit_model('learnt', 1) AS "learnt with lambda 1";
SELECT mm_fit_model('chosen') AS "learnt with the penalty chosen";
\timing off
SELECT model_version, spec -> 'trained' ->> 'penalty' AS penalty, spec #>> '{fusion,prior_rate}' AS prior_rate, spec #>> '{fusion,prior_strength}' AS prior_strength,
       spec #>> '{fusion,outcome_half_life_days}' AS half_life, spec #>> '{fusion,rho,0,1}' AS rho,
       (SELECT string_agg(format('%s: a %s, sd %s, %s', key, round((value #>> '{calibration_prior,a}')::numeric, 2), round((value #>> '{calibration_prior,sd_a}')::numeric, 2),
            round((value #>> '{calibration_prior,sd_b}')::numeric, 2)), '; ') FROM jsonb_each(spec -> 'modalities')) AS calibration_prior
FROM mm_models WHERE spec ? 'trained' \gx
SELECT v AS model, folds, r.predictor, r.n, round(r.base_rate::numeric, 3) AS "base rate", round(r.brier::numeric, 4) AS brier, round(r.log_loss::numeric, 4) AS "log loss",
       round(r.auc::numeric, 3) AS auc, round(r.within_user_auc::numeric, 3) AS "within-user auc", round(r.ece::numeric, 3) AS ece, round(r.calibration_slope::numeric, 2) AS slope
FROM (VALUES ('cohort', 2), ('learnt', 2), ('chosen', 2), ('learnt', 5), ('chosen', 5)) AS x (v, folds) CROSS JOIN LATERAL mm_model_report(v, folds) AS r;
