-- mm_explain_session(): a score in plain words, for its person and the system only.
BEGIN;
SELECT no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/person.psql
\ir lib/reading.psql
SELECT pg_temp.write_history(1, 30) \g /dev/null
SELECT pg_temp.add_session(1, 99, '2025-04-01') AS unscored \gset
SELECT pg_temp.session_id(1, 30) AS newest, pg_temp.session_id(1, 1) AS first, pg_temp.person_id(1) AS me, pg_temp.person_id(2) AS somebody \gset

SELECT mm_explain_session(:'newest') AS told \gset
SELECT is(regexp_count(:'told', '\.( |$)') BETWEEN 3 AND 6, true, 'three to six sentences');
SELECT matches(:'told'::text, '^The score is \d+ of 100, ', 'the score');
SELECT matches(:'told'::text, 'How certain it is: the 90 % range goes from \d+ to \d+', 'its uncertainty');
SELECT matches(:'told'::text, 'It was (lowered|raised) mainly by ', 'what moved it');
SELECT matches(:'told'::text, 'earlier sessions average \d+', 'against the person''s own baseline');
SELECT matches(:'told'::text, 'it is not a diagnosis\.$', 'no diagnosis');
SELECT doesnt_match(:'told'::text, '(text|audio|visual|passive)\.', 'features have plain words');
SELECT doesnt_match(:'told'::text, '(?i)depress|anxi|disorder|patient|suffer', 'nothing is diagnosed');
SELECT matches(mm_explain_session(:'first'), 'too few earlier scores', 'a first session says that it is one');
SELECT matches(mm_explain_session(:'first'), 'until there is more of this person''s own to compare with, general figures stand in', 'and what it is held against');
SELECT matches(mm_explain_session(pg_temp.session_id(1, 21)), 'whose 20 earlier sessions average \d+\.', 'the usual of three weeks before is none to warn of');
SELECT matches(mm_explain_session(pg_temp.session_id(1, 8)), 'whose 7 earlier sessions average \d+, which are few to go by', 'few sessions are called few');
SELECT matches(mm_explain_session(pg_temp.session_id(1, 20)), 'declining, which in a person''s first weeks may only be the comparison settling', 'and a direction of the first weeks what it may be');
SELECT is((SELECT count(*) FROM fusion_outputs WHERE regexp_count(mm_explain_session(session_id), '\.( |$)') NOT BETWEEN 3 AND 6), 0::bigint, 'every session');

-- Who may hear it
SELECT is(spec.say(format('SELECT mm_explain_session(%L)', :'newest'), 'spec_app', :'me'), :'told'::text, 'the person');
SELECT is(spec.say(format('SELECT mm_explain_session(%L)', :'newest'), 'spec_worker'), :'told'::text, 'the system');
SELECT is(spec.error(format('SELECT mm_explain_session(%L)', :'newest'), 'spec_app', :'somebody'),
    spec.error('SELECT mm_explain_session(''00000000-0000-4000-8000-0000000000ff'')', 'spec_app', :'somebody'), 'somebody else''s session is as one that is not there');
SELECT is(spec.error(format('SELECT mm_explain_session(%L)', :'newest'), 'spec_app', :'somebody'), 'P0002 session_id: there is no such session', 'P0002');
SELECT is(spec.outcome(format('SELECT mm_explain_session(%L)', :'newest'), 'spec_app'), 'P0002', 'nobody hears nothing');
SELECT is(spec.outcome(format('SELECT mm_explain_session(%L)', :'newest'), 'spec_anon'), 'refused', 'strangers may not ask');
SELECT is(spec.outcome(format('SELECT mm_explain_session(%L)', :'unscored'), 'spec_app', :'me'), 'MM003', 'a session without a score');
SELECT is(spec.outcome(format('SELECT mm_explain_session(%L)', :'unscored'), 'spec_app', :'somebody'), 'P0002', 'of which only its person knows');
SELECT is(spec.outcome('SELECT mm_explain_session(NULL)', 'spec_app', :'me'), '22004', 'no session');

-- What lies between does not count where it measured nothing
UPDATE fusion_outputs SET qc_overall = 'insufficient' WHERE session_id BETWEEN pg_temp.session_id(1, 13) AND pg_temp.session_id(1, 20);
SELECT matches(mm_explain_session(pg_temp.session_id(1, 21)), 'the last of them was 30 days before, so what is usual may have changed', 'that of a month before is');
SELECT matches(mm_explain_session(pg_temp.session_id(1, 13)), '^This session does not hold enough data for a score: .* should not be read as a measurement\. ', 'a figure that is none is called that');

-- A row of another system
UPDATE fusion_outputs SET drivers = '{"items": "none"}' WHERE session_id = :'first';
UPDATE mind_measure_scores SET trend_analysis = NULL, baseline_comparison = NULL WHERE session_id = :'first';
SELECT matches(mm_explain_session(:'first'), 'How uncertain it is was not recorded', 'is told as far as it is known');

SELECT * FROM finish();
ROLLBACK;
