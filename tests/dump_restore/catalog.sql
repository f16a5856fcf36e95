-- Everything about a database that a dump or an update has to bring along, as text: columns, constraints,
-- indexes, policies, triggers, views, types, functions, owners, grants and comments of all but the system's schemas.
\pset format unaligned
\pset tuples_only on
\pset fieldsep ' | '
SET search_path = pg_catalog;
-- What is granted by default is the same whether it is written down or not.
CREATE FUNCTION pg_temp.grants(acl aclitem[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(a::text, ' ' ORDER BY a::text COLLATE "C") FROM unnest(acl) AS a
$$;
CREATE TEMP VIEW schemas AS SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema';
CREATE TEMP VIEW relations AS
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name FROM pg_class AS c JOIN schemas AS n ON n.oid = c.relnamespace;

SELECT 'extension', extname, extversion, extnamespace::regnamespace FROM pg_extension WHERE extname = 'mindmeasure' ORDER BY 2;
SELECT 'schema', n.nspname, pg_get_userbyid(s.nspowner), pg_temp.grants(coalesce(s.nspacl, acldefault('n', s.nspowner))) FROM schemas AS n JOIN pg_namespace AS s USING (oid) ORDER BY 2;
SELECT 'relation', name, relkind, pg_get_userbyid(relowner), pg_temp.grants(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))), relrowsecurity, relforcerowsecurity, relispartition,
       pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid), reloptions FROM relations WHERE relkind IN ('r', 'p', 'v', 'S') ORDER BY name COLLATE "C";
-- pg_attver is a count that some minor versions of PostgreSQL keep among a column's options.
SELECT 'column', r.name, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), pg_temp.grants(a.attacl),
       a.attidentity, a.attgenerated, a.attstorage, a.attcompression, a.attstattarget, ARRAY(SELECT o FROM unnest(a.attoptions) AS o WHERE o !~ '^pg_attver=' ORDER BY o), (SELECT collname FROM pg_collation WHERE oid = a.attcollation)
FROM relations AS r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'v', 'c') ORDER BY r.name COLLATE "C", a.attnum;
SELECT 'view', name, md5(pg_get_viewdef(oid)) FROM relations WHERE relkind IN ('v', 'm') ORDER BY name COLLATE "C";
SELECT 'type', t.oid::regtype, t.typtype, pg_get_userbyid(t.typowner), pg_temp.grants(coalesce(t.typacl, acldefault('T', t.typowner))), (SELECT string_agg(e.enumlabel, ' ' ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid)
FROM pg_type AS t JOIN schemas AS n ON n.oid = t.typnamespace WHERE t.typtype IN ('d', 'e') OR EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c') ORDER BY t.oid::regtype::text COLLATE "C";
SELECT 'sequence', s.seqrelid::regclass, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle FROM pg_sequence AS s JOIN relations AS r ON r.oid = s.seqrelid ORDER BY r.name COLLATE "C";
SELECT 'rule', r.name, u.rulename, pg_get_ruledef(u.oid) FROM pg_rewrite AS u JOIN relations AS r ON r.oid = u.ev_class WHERE u.rulename <> '_RETURN' ORDER BY r.name COLLATE "C", u.rulename;
SELECT 'event trigger', evtname, evtevent, pg_get_userbyid(evtowner), evtfoid::regprocedure, evtenabled, evttags FROM pg_event_trigger ORDER BY evtname COLLATE "C";
SELECT 'default privileges', pg_get_userbyid(defaclrole), defaclnamespace::regnamespace, defaclobjtype, pg_temp.grants(defaclacl) FROM pg_default_acl ORDER BY 2, 3, 4;
SELECT 'constraint', r.name, c.conname, c.convalidated, pg_get_constraintdef(c.oid) FROM pg_constraint AS c JOIN relations AS r ON r.oid = c.conrelid ORDER BY r.name COLLATE "C", c.conname;
SELECT 'index', r.name, i.indisvalid, pg_get_indexdef(i.indexrelid) FROM pg_index AS i JOIN relations AS r ON r.oid = i.indexrelid ORDER BY r.name COLLATE "C";
SELECT 'policy', r.name, p.polname, p.polcmd, p.polpermissive, (SELECT string_agg(pg_get_userbyid(o), ' ' ORDER BY pg_get_userbyid(o)) FROM unnest(p.polroles) AS o),
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid) FROM pg_policy AS p JOIN relations AS r ON r.oid = p.polrelid ORDER BY r.name COLLATE "C", p.polname;
-- Parentheses around (a OR b) OR c are gone once it has been read back: they do not count here.
SELECT 'trigger', r.name, t.tgenabled, translate(pg_get_triggerdef(t.oid), '()', '') FROM pg_trigger AS t JOIN relations AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal ORDER BY r.name COLLATE "C", t.tgname;
SELECT 'function', p.oid::regprocedure, pg_get_userbyid(p.proowner), pg_temp.grants(coalesce(p.proacl, acldefault('f', p.proowner))), p.prosecdef, p.proconfig,
       EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') AS member,
       md5(CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) ELSE p.prosrc END) FROM pg_proc AS p JOIN schemas AS n ON n.oid = p.pronamespace ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT 'member', o.type, o.identity FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'mindmeasure'
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS o
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' ORDER BY 2, o.identity COLLATE "C";
SELECT 'comment', o.type, o.identity, md5(d.description) FROM pg_description AS d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS o
WHERE o.schema IN (SELECT nspname FROM schemas) OR o.type = 'schema' AND o.identity IN (SELECT quote_ident(nspname) FROM schemas) ORDER BY 2, o.identity COLLATE "C";
