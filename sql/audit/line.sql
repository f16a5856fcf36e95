-- $1 action, $2 table, $3 whose rows, $4 whether to make a pseudonym where there is none,
-- $5 ids of the first rows, $6 how many there were, $7 names of the changed columns,
-- $8 for whom the request speaks, $9 whether auth.uid() has to be asked that.
INSERT INTO @extschema@.audit_log (action, table_name, subject, actor, row_ids, row_count, columns)
VALUES ($1, $2,
    CASE WHEN $3 IS NOT NULL THEN coalesce(
        (SELECT s.subject FROM @extschema@.audit_subjects AS s WHERE s.user_id = $3),
        @extschema@.mm_audit_subject($3, $4)) END,
    CASE WHEN $9 AND auth.uid() IS NOT NULL THEN @extschema@.mm_audit_subject(auth.uid(), $4) WHEN $8 IS NOT NULL THEN coalesce(
        (SELECT s.subject FROM @extschema@.audit_subjects AS s WHERE s.user_id = $8),
        @extschema@.mm_audit_subject($8, $4)) END,
    $5, $6, $7)
