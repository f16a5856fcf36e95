-- $1 people, $2 for each the time of the first session to be scored.
SELECT w.place, k.*
FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS w (person, before, place)
CROSS JOIN LATERAL (@person_query@) AS k
ORDER BY w.place
