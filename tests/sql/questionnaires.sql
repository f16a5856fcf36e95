-- mm_score_questionnaire(): PHQ-9 and GAD-7 by their published rules.
BEGIN;
SELECT no_plan();

\set reference `cat crates/scoring/tests/golden/phq_gad.json`
CREATE TEMP TABLE reference AS
SELECT c ->> 'instrument' AS instrument, ARRAY(SELECT i::int FROM jsonb_array_elements_text(c -> 'items') WITH ORDINALITY AS e (i, n) ORDER BY n) AS items, c -> 'expect' AS expect
FROM jsonb_array_elements(:'reference'::jsonb -> 'cases') AS c;
SELECT is((SELECT count(*) FROM reference) >= 13, true, 'there are reference cases');
-- Keys that a reference does not name are left out of the comparison.
SELECT is((SELECT jsonb_object_agg(k, mm_score_questionnaire(instrument, items) -> k) FROM jsonb_object_keys(expect) AS k), expect, format('%s %s', instrument, items)) FROM reference;
SELECT is((mm_score_questionnaire('PHQ-9', '{1,1,1,1,1,1,1,1,1}') -> 'reliable_change'), :'reference'::jsonb #> '{reliable_change,phq9}', 'PHQ-9 changes reliably by');
SELECT is((mm_score_questionnaire('GAD-7', '{1,1,1,1,1,1,1}') -> 'reliable_change'), :'reference'::jsonb #> '{reliable_change,gad7}', 'GAD-7 changes reliably by');

SELECT throws_ok(format('SELECT mm_score_questionnaire(%L, %L)', instrument, items), '22023', NULL, format('%s %s', instrument, items))
FROM (VALUES ('PHQ-8', '{0,0,0,0,0,0,0,0}'), ('phq-9', '{0,0,0,0,0,0,0,0,0}'), ('PHQ-9', '{}'), ('PHQ-9', '{0}'), ('GAD-7', '{0,0,0,0,0,0,4}'), ('GAD-7', '{0,0,0,0,0,0,-1}'), ('GAD-7', '{0,0,0,0,0,0,2147483647}')) AS bad (instrument, items);
SELECT throws_ok('SELECT mm_score_questionnaire(NULL, ''{}'')', '22004', NULL, 'no instrument');
SELECT throws_ok('SELECT mm_score_questionnaire(''PHQ-9'', NULL)', '22004', NULL, 'no items');
SET ROLE mindmeasure_user;
SELECT lives_ok('SELECT mm_score_questionnaire(''GAD-7'', ''{0,0,0,0,0,0,0}'')', 'a user may');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
