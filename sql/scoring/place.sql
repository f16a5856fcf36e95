-- $1 session, $2 its person, $3 its time. Whether it is there, and whether it is in the archive.
SELECT EXISTS (SELECT FROM @extschema@.assessment_sessions AS s WHERE s.id = $1 AND s.created_at = $3) AS present,
       EXISTS (SELECT FROM @extschema@.assessment_sessions_archive AS a WHERE a.id = $1 AND a.user_id = $2 AND a.created_at = $3) AS archived
