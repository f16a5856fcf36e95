-- mm_report_html(): one self-contained page.
BEGIN;
SELECT no_plan();
\ir lib/speaking.psql
\ir lib/roles.psql
\ir lib/person.psql
\ir lib/reading.psql
SELECT pg_temp.write_history(1, 30) \g /dev/null
SELECT pg_temp.person_id(1) AS me, pg_temp.person_id(2) AS somebody \gset
INSERT INTO profiles (user_id, display_name) VALUES (:'me', $$<script>alert(1)</script>"' onload='x' & &amp; {{ name }}$$);
UPDATE fusion_outputs SET drivers = jsonb_set(drivers, '{items,0,feature}', '"</p><img src=x onerror=alert(2)>"') WHERE session_id = pg_temp.session_id(1, 30);
UPDATE mind_measure_scores SET trend_analysis = jsonb_set(trend_analysis, '{patterns}', '["</li><script>alert(3)</script>"]') WHERE session_id = pg_temp.session_id(1, 30);

-- As XML: HTML's void elements closed, the DOCTYPE taken off.
CREATE FUNCTION pg_temp.parsed(html text) RETURNS xml LANGUAGE sql AS $$
    SELECT regexp_replace(replace(html, '<!DOCTYPE html>', ''), '<meta ([^>]*)>', '<meta \1/>', 'g')::xml
$$;
CREATE FUNCTION pg_temp.found(path text, html text) RETURNS int LANGUAGE sql AS $$ SELECT cardinality(xpath(path, pg_temp.parsed(html))) $$;

SELECT mm_report_html(:'me') AS page \gset
SELECT lives_ok(format('SELECT pg_temp.parsed(%L)', :'page'), 'the page is well formed');
SELECT is(pg_temp.found('//script', :'page'), 0, 'no script, whatever names say');
SELECT is(pg_temp.found('//img', :'page'), 0, 'nor another element');
SELECT is(pg_temp.found('//@*[starts-with(name(), "on")]', :'page'), 0, 'nor an attribute that runs one');
SELECT is(pg_temp.found('//@src | //@href | //link | //iframe', :'page'), 0, 'nothing is loaded');
SELECT doesnt_match(:'page'::text, 'url\(|@import|https?:', 'not by its style either');
SELECT is((xpath('//h1/text()', pg_temp.parsed(:'page')))[1]::text LIKE '%script%alert(1)%', true, 'the name is shown as it is');
SELECT is(pg_temp.found('//svg[@role="img"]/title | //svg[@role="img"]/desc', :'page'), 2, 'the timeline has a title and a text');
SELECT is(pg_temp.found('//details//tbody/tr', :'page'), 30, 'and every session a row');
SELECT is(pg_temp.found('//svg/rect[@class="gap" and @height="100"]', :'page'), 1, 'the gap is left open');
SELECT is((SELECT regexp_count((xpath('//svg/path[@class="line smoothed"]/@d', pg_temp.parsed(:'page')))[1]::text, 'M')), 2, 'and no line crosses it');
SELECT is((SELECT regexp_count((xpath('//svg/path[@class="band"]/@d', pg_temp.parsed(:'page')))[1]::text, 'Z')), 2, 'nor does the 90 % band');
SELECT is((SELECT regexp_count((xpath('//svg/path[@class="line usual"]/@d', pg_temp.parsed(:'page')))[1]::text, '[ML]')), 29, 'the person''s own usual, from the second session on');
SELECT is((SELECT regexp_count((xpath('//svg/path[@class="mark hollow"]/@d', pg_temp.parsed(:'page')))[1]::text, 'M')),
    (SELECT count(*)::int FROM fusion_outputs WHERE qc_overall = 'low'), 'each session of low quality is marked so');
SELECT is((SELECT regexp_count((xpath('//svg/path[@class="mark"]/@d', pg_temp.parsed(:'page')))[2]::text, 'M')),
    (SELECT count(*)::int FROM fusion_outputs WHERE qc_overall = 'reliable'), 'each reliable one so');
SELECT is(pg_temp.found('//ol/li', :'page') >= 3, true, 'the drivers of the newest session');
SELECT is(pg_temp.found('//table[caption[contains(., "Points per week")]]/tbody/tr', :'page'), 3, 'the trends of three windows');
SELECT matches(:'page'::text, '<html lang="en">', 'it says its language');

-- What was not measured
UPDATE fusion_outputs SET qc_overall = 'insufficient' WHERE session_id IN (pg_temp.session_id(1, 29), pg_temp.session_id(1, 30));
SELECT mm_report_html(:'me') AS unmeasured \gset
SELECT matches(:'unmeasured'::text, '30 scored sessions, .*; 2 of them without enough data for a score\.', 'is counted');
SELECT is((xpath('//details//tbody/tr[1]/td[1]/text()', pg_temp.parsed(:'unmeasured')))[1]::text ~ '^\(\d+\)$', true, 'its figure stands in brackets');
SELECT is((xpath('//details//tbody/tr[1]/td[2]/text()', pg_temp.parsed(:'unmeasured')))[1]::text, '–', 'without a range');
SELECT is(pg_temp.found('//ol/li', :'unmeasured'), 0, 'and nothing is said to have moved it');
SELECT is((SELECT regexp_count((xpath('//svg/path[@class="line smoothed"]/@d', pg_temp.parsed(:'unmeasured')))[1]::text, '[ML]')), 28, 'the line of the others does not run on');
UPDATE fusion_outputs SET qc_overall = 'low' WHERE qc_overall = 'insufficient';

-- Ranges
SELECT mm_report_html(:'me', '2030-01-01') AS empty \gset
SELECT lives_ok(format('SELECT pg_temp.parsed(%L)', :'empty'), 'an empty period is a page, too');
SELECT matches(:'empty'::text, 'There are no scored sessions in this period', 'that says so');
SELECT mm_report_html(:'me', '2025-01-06', '2025-01-07') AS one \gset
SELECT is(pg_temp.found('//details//tbody/tr', :'one'), 1, 'a single session');
SELECT doesnt_match(:'one'::text, 'NaN|inf', 'has a place on the timeline');
SELECT is(pg_temp.found('//table[caption[contains(., "Points per week")]]', :'one'), 0, 'and no table of trends');
SELECT matches(:'one'::text, 'too few sessions with enough data for a trend', 'but the reason');
UPDATE fusion_outputs SET drivers = NULL;
UPDATE mind_measure_scores SET trend_analysis = NULL, baseline_comparison = NULL;
SELECT is(pg_temp.found('//details//tbody/tr', mm_report_html(:'me')), 30, 'rows of another system are shown as far as they are known');

-- Who may read it
SELECT is(spec.say(format('SELECT mm_report_html(%L)', :'me'), 'spec_app', :'me'), mm_report_html(:'me'), 'the person');
SELECT is(spec.say(format('SELECT mm_report_html(%L)', :'me'), 'spec_worker'), mm_report_html(:'me'), 'the system');
SELECT is(spec.say(format('SELECT mm_report_html(%L)', :'me'), 'spec_app', :'somebody'), mm_report_html('00000000-0000-4000-8000-0000000000ff'), 'for somebody else it is the page of nobody');
SELECT is(spec.outcome(format('SELECT mm_report_html(%L)', :'me'), 'spec_anon'), 'refused', 'strangers may not ask');
SELECT is(spec.outcome('SELECT mm_report_html(NULL)', 'spec_worker'), '22004', 'no person');

-- Reading takes no transaction id, so it works on a standby. The roles are the cluster's, and go first.
DROP ROLE spec_anon, spec_app, spec_worker, spec_auditor;
COMMIT;
BEGIN READ ONLY;
SELECT mm_report_html(u), (SELECT count(*) FROM mm_score_history(u)) FROM (VALUES ('00000000-0000-4000-8000-000000000001'::uuid)) AS x (u) \g /dev/null
SELECT mm_explain_session(session_id) FROM fusion_outputs \g /dev/null
SELECT is(pg_current_xact_id_if_assigned(), NULL, 'no transaction id is taken');
COMMIT;
SELECT * FROM finish();
