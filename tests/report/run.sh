#!/usr/bin/env bash
# The report page in a real browser, at the width of a phone and of a desk: nothing is wider than
# the page, no text is small, pale or covered. Pages: a usual person with a gap, one with a name
# without a space, an empty period. Skipped where there is no Chromium.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/cluster.sh
source scripts/cluster.sh
if ! command -v chromium >/dev/null; then
    echo "no chromium"
    exit 77
fi
WORK=$(mktemp -d /var/tmp/mindmeasure-report.XXXXXX)
trap 'cluster_remove_all; rm -rf "$WORK"' EXIT
FAILED=0

# report FILE SQL: the page that mm_report_html() gives.
report() {
    sql report -At -o "$WORK/$1.html" -c "SELECT public.mm_report_html($2)"
}

# check FILE WIDTH TEXTS: TEXTS is the least number of texts the page must have.
check() {
    local faults
    python3 - "$WORK/$1.html" "$2" "$3" >"$WORK/frame.html" <<'PYTHON'
import html, sys
page, width, texts = sys.argv[1:]
frame = open("tests/report/measure.html", encoding="utf-8").read()
page = html.escape(open(page, encoding="utf-8").read())
print(frame.replace("@width@", width).replace("@texts@", texts).replace("@page@", page))
PYTHON
    faults=$(timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync \
        --user-data-dir="$WORK/browser" --window-size=1400,2200 --dump-dom "file://$WORK/frame.html" 2>"$WORK/browser.log" |
        sed -n '/<pre id="faults">/,/<\/pre>/p' | sed -e 's/<[^>]*>//g')
    if [[ $faults == "measured "* && $(sed 1d <<<"$faults" | grep -c .) -eq 0 ]]; then
        echo "ok - $1 at $2 px"
    else
        FAILED=1
        echo "not ok - $1 at $2 px"
        sed 's/^/#   /' <<<"$faults" | head -n 20
    fi
}

cluster_start report
sql postgres -c "CREATE DATABASE report"
sql report -c "SET client_min_messages = warning" -c "CREATE EXTENSION mindmeasure"
sql report -o /dev/null -f demo/cohort.sql
sql report -o /dev/null <<'SQL'
SELECT f.score
FROM (SELECT s.id FROM public.assessment_sessions AS s JOIN public.profiles AS p USING (user_id)
      WHERE p.display_name ~ '^Person 0[45]' AND s.created_at NOT BETWEEN now() - interval '40 days' AND now() - interval '25 days'
      ORDER BY s.created_at OFFSET 0) AS s,
     public.mm_fuse_session(s.id) AS f;
UPDATE public.profiles SET display_name = repeat('Anaverylongname', 12) WHERE display_name LIKE 'Person 05%';
SQL
report usual "(SELECT user_id FROM public.profiles WHERE display_name LIKE 'Person 04%')"
report name "(SELECT user_id FROM public.profiles WHERE display_name LIKE 'Anavery%')"
report empty "(SELECT user_id FROM public.profiles WHERE display_name LIKE 'Person 04%'), '2000-01-01', '2000-01-02'"
for width in 390 1280; do
    check usual "$width" 300
    check name "$width" 300
    check empty "$width" 2
done
exit "$FAILED"
