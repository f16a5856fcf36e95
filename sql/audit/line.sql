-- $1 action, $2 table, $3 whose rows, $4 whether to make a pseudonym where there is none,
-- $5 ids of the first rows, $6 how many there were, $7 names of the changed columns.
INSERT INTO @extschema@.audit_log (action, table_name, subject, actor, row_ids, row_count, columns)
VALUES ($1, $2,
    CASE WHEN $3 IS NOT NULL THEN coalesce(
        (SELECT s.subject FROM @extschema@.audit_subjects AS s WHERE s.user_id = $3),
        @extschema@.mm_audit_subject($3, $4)) END,
    CASE WHEN auth.uid() IS NOT NULL THEN coalesce(
        (SELECT s.subject FROM @extschema@.audit_subjects AS s WHERE s.user_id = auth.uid()),
        @extschema@.mm_audit_subject(auth.uid(), $4)) END,
    $5, $6, $7)
