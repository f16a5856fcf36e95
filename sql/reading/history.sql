-- $1 person, $2 from, $3 to, $4 most sessions: the newest of them, oldest first, as arrays, and how many there are in all.
SELECT array_agg(h.session_id) AS ids, array_agg(h.session_created_at) AS times, array_agg(h.score) AS scores,
       array_agg(h.score_smoothed) AS smoothed, array_agg(h.low) AS low, array_agg(h.high) AS high,
       array_agg(h.baseline_mean) AS baseline, array_agg(h.qc_overall) AS qc, array_agg(h.after_gap) AS after_gap,
       coalesce(max(h.total), 0) AS total
FROM (SELECT n.*
      FROM (SELECT x.*, count(*) OVER () AS total
            FROM @extschema@.mm_score_history($1, $2, $3) AS x
            ORDER BY x.session_created_at DESC, x.session_id DESC LIMIT $4) AS n
      ORDER BY n.session_created_at, n.session_id) AS h
