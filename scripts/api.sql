-- docs/api.md, from the catalog of a database with nothing but mindmeasure in public. One line a row.
\pset format unaligned
\pset tuples_only on
\pset pager off
CREATE TEMP VIEW callable AS
SELECT p.oid, p.proname, p.prokind, comment, callers,
       format('%s(%s)', p.proname, pg_get_function_arguments(p.oid)) AS signature,
       pg_get_function_result(p.oid) AS result,
       CASE
           WHEN pg_get_function_result(p.oid) LIKE '%trigger' THEN 6
           WHEN comment ~ '^(Part of|A step of|What .* share:|For CHECK|CHECK of)' THEN 5
           WHEN 'user' = ANY (callers) THEN 1
           WHEN 'system' = ANY (callers) THEN 2
           WHEN 'auditor' = ANY (callers) THEN 3
           ELSE 4
       END AS section
FROM pg_proc AS p
JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'mindmeasure'
-- Else Markdown takes <name> for a tag.
CROSS JOIN LATERAL (SELECT replace(coalesce(obj_description(p.oid, 'pg_proc'), ''), '<', '\<') AS comment) AS c
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT replace(r.rolname, 'mindmeasure_', '') ORDER BY replace(r.rolname, 'mindmeasure_', '') DESC), '{}') AS callers
    FROM aclexplode(p.proacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
    WHERE a.privilege_type = 'EXECUTE' AND r.rolname IN ('mindmeasure_user', 'mindmeasure_system', 'mindmeasure_auditor')) AS g;

CREATE TEMP VIEW relation AS
SELECT c.oid, c.relname, c.relkind, coalesce(obj_description(c.oid, 'pg_class'), '') AS comment,
       (SELECT string_agg(format('%s: %s', replace(role, 'mindmeasure_', ''), privileges), '; ' ORDER BY role DESC)
        FROM (SELECT r.rolname AS role,
                     string_agg(lower(a.privilege_type), ', ' ORDER BY array_position('{SELECT,INSERT,UPDATE,DELETE}'::text[], a.privilege_type)) AS privileges
              FROM aclexplode(c.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
              WHERE r.rolname IN ('mindmeasure_user', 'mindmeasure_system', 'mindmeasure_auditor')
              GROUP BY r.rolname) AS g) AS grants
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition;

\qecho '# Reference'
\qecho
\qecho 'Written by `scripts/api.sh` from the catalog of a fresh installation: do not edit. What the parts are for: [README](../README.md).'
\qecho
\qecho '**Called by** names the roles that hold EXECUTE (`user` is `mindmeasure_user`, and so on); what a caller may then do for whom stands in the text. The owner and superusers may call everything. Errors are SQLSTATEs.'

SELECT E'\n## ' || title || E'\n\n' || string_agg(
    format(E'### `%s%s`\n%s%s\n', CASE prokind WHEN 'p' THEN 'CALL ' ELSE '' END, signature,
        CASE WHEN result IS NULL THEN '' ELSE format(E'→ `%s`\n', result) END || E'\n' || comment,
        CASE WHEN callers = '{}' THEN '' ELSE E'\n\nCalled by: ' || array_to_string(callers, ', ') || '.' END),
    E'\n' ORDER BY signature)
FROM callable
JOIN (VALUES (1, 'Functions for applications and people'), (2, 'Functions for the system role'), (3, 'Functions for auditors'),
             (4, 'Functions for the owner and superusers')) AS s (number, title) ON s.number = section
GROUP BY section, title ORDER BY section;

\qecho
\qecho '## Tables and views'
\qecho
\qecho 'Row-level security is on everywhere; the grants say what a role may do with the rows that the policies let it see.'
SELECT format(E'\n### `%s`%s\n\n%s%s\n\n| column | type | meaning |\n|---|---|---|\n%s', relname,
    CASE relkind WHEN 'v' THEN ' (view)' WHEN 'p' THEN ' (partitioned)' ELSE '' END,
    comment, CASE WHEN grants IS NULL THEN '' ELSE E'\n\nGranted: ' || grants || '.' END,
    (SELECT string_agg(format('| `%s` | %s%s | %s |', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ', not null' ELSE '' END,
                replace(coalesce(col_description(relation.oid, a.attnum), ''), '|', '\|')), E'\n' ORDER BY a.attnum)
     FROM pg_attribute AS a WHERE a.attrelid = relation.oid AND a.attnum > 0 AND NOT a.attisdropped))
FROM relation ORDER BY relkind = 'v', relname;

\qecho
\qecho '## Settings'
\qecho
\qecho '| setting | default | meaning | who sets it |'
\qecho '|---|---|---|---|'
SELECT format('| `%s` | %s | %s | %s |', name, CASE WHEN boot_val = '' OR boot_val IS NULL THEN '' ELSE '`' || boot_val || coalesce(unit, '') || '`' END,
    short_desc || coalesce(' ' || extra_desc, ''),
    CASE context WHEN 'user' THEN 'everybody' WHEN 'superuser' THEN 'superuser' ELSE context END)
FROM pg_settings WHERE name LIKE 'mindmeasure.%' ORDER BY name;

\qecho
\qecho '## What the rest is'
\qecho
\qecho 'Triggers, and parts of the functions above; they are called by these, and nobody else needs them.'
\qecho
\qecho '| function | what it is |'
\qecho '|---|---|'
SELECT format('| `%s` | %s |', signature, replace(comment, '|', '\|')) FROM callable WHERE section > 4 ORDER BY section DESC, signature;
