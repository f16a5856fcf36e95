-- Four people with thirty sessions each, none of them scored.
\ir ../sql/lib/person.psql
SELECT pg_temp.analyse(pg_temp.add_session(p, n, pg_temp.session_time(p, n), pg_temp.session_type(p, n)), 'text') FROM generate_series(1, 4) AS p, generate_series(1, 30) AS n \g /dev/null
SELECT pg_temp.analyse(pg_temp.session_id(p, n), m) FROM generate_series(1, 4) AS p, generate_series(1, 30) AS n, unnest(pg_temp.modalities(p, n)) AS m WHERE m <> 'text' \g /dev/null
