#!/usr/bin/env bash
# The report page in a real browser, at the width of a small phone, a phone and a desk, in light and
# dark: nothing is wider than the page, no text is small, pale or covered, and axe-core finds nothing
# against WCAG. Pages: a usual person with a gap, one with a name without a space, a single session,
# one whose sessions hold too little, an empty period. Printed, the table of sessions is open.
# Skipped where there is no Chromium, or axe-core cannot be fetched.
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

readonly AXE_VERSION=4.10.3 AXE_SHA256=880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb
AXE=$MM_ROOT/target/axe-core-$AXE_VERSION.min.js

axe_is_right() {
    [[ -s $AXE ]] && sha256sum --check --status <<<"$AXE_SHA256  $AXE"
}

# axe-core (MPL-2.0) is only run by this test: it is no part of what ships.
fetch_axe() {
    axe_is_right && return
    local package="$WORK/axe.tgz"
    curl --silent --fail --location --max-time 60 -o "$package" \
        "https://registry.npmjs.org/axe-core/-/axe-core-$AXE_VERSION.tgz" &&
        tar -xzOf "$package" package/axe.min.js >"$AXE" && axe_is_right
}

browse() {
    timeout 90 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync \
        --user-data-dir="$WORK/browser" --window-size=1400,2200 "$@" 2>"$WORK/browser.log"
}

# verdict NAME FAULTS: no line of them.
verdict() {
    if [[ -z $2 ]]; then
        echo "ok - $1"
    else
        FAILED=1
        echo "not ok - $1"
        sed 's/^/#   /' <<<"$2" | head -n 20
    fi
}

# check FILE WIDTH SCHEME TEXTS: TEXTS is the least number of texts the page must have.
check() {
    local file=$1 width=$2 scheme=$3 texts=$4 found
    python3 - "$WORK/$file.html" "$width" "$texts" "$([[ $scheme == dark ]] && echo true || echo false)" \
        "$([[ -n $AXE ]] && echo true || echo false)" "${AXE:-/dev/null}" >"$WORK/frame.html" <<'PYTHON'
import html, sys
page, width, texts, dark, axe, axe_source = sys.argv[1:]
frame = open("tests/report/measure.html", encoding="utf-8").read()
for name, value in ("width", width), ("texts", texts), ("dark", dark), ("axe", axe):
    frame = frame.replace(f"@{name}@", value)
frame = frame.replace("@page@", html.escape(open(page, encoding="utf-8").read()))
# Within a script element nothing may look like its end.
print(frame.replace("@axe_source@", open(axe_source, encoding="utf-8").read().replace("</script", "<\\/script")))
PYTHON
    found=$(browse --blink-settings=preferredColorScheme="$([[ $scheme == dark ]] && echo 0 || echo 1)" \
        --virtual-time-budget=60000 --dump-dom "file://$WORK/frame.html" |
        sed -n '/<pre id="faults">/,/<\/pre>/p' | sed -e 's/<[^>]*>//g')
    [[ $found == "measured "* ]] || found=$'\n'"not measured $found"
    verdict "$file at $width px, $scheme" "$(sed 1d <<<"$found" | sed '/^$/d')"
}

fetch_axe || { rm -f "$AXE"; AXE=''; }
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
person="(SELECT user_id FROM public.profiles WHERE display_name LIKE 'Person 04%')"
# A person without a score, whose first session gets one without an indicator, the second a poor one.
sql report -o /dev/null <<'SQL'
CREATE TEMP TABLE sparse AS
SELECT s.id, s.user_id, row_number() OVER (ORDER BY s.created_at) AS number
FROM public.assessment_sessions AS s JOIN public.profiles AS p USING (user_id) WHERE p.display_name LIKE 'Person 06%';
DELETE FROM public.text_analysis AS t USING sparse AS s WHERE t.session_id = s.id;
DELETE FROM public.audio_analysis AS t USING sparse AS s WHERE t.session_id = s.id;
DELETE FROM public.visual_analysis AS t USING sparse AS s WHERE t.session_id = s.id;
DELETE FROM public.passive_analysis AS t USING sparse AS s WHERE t.session_id = s.id;
INSERT INTO public.text_analysis (session_id) SELECT id FROM sparse WHERE number <= 4;
SELECT f.score FROM sparse AS s, public.mm_fuse_session(s.id) AS f WHERE s.number <= 4;
SQL
report usual "$person"
report name "(SELECT user_id FROM public.profiles WHERE display_name LIKE 'Anavery%')"
report single "$person, (SELECT min(session_created_at) FROM public.fusion_outputs WHERE user_id = $person), (SELECT min(session_created_at) + interval '1 second' FROM public.fusion_outputs WHERE user_id = $person)"
report sparse "(SELECT user_id FROM public.profiles WHERE display_name LIKE 'Person 06%')"
report empty "$person, '2000-01-01', '2000-01-02'"
for width in 320 390 1280; do
    check usual "$width" light 300
    check name "$width" light 300
done
check usual 390 dark 300
check single 320 light 30
check sparse 320 light 30
check sparse 1280 dark 30
check empty 320 light 2

browse --print-to-pdf="$WORK/usual.pdf" "file://$WORK/usual.html"
verdict "printed, the sessions are listed" "$(
    printed=$(pdftotext -layout "$WORK/usual.pdf" - | grep -c -E '^ *20[0-9]{2}-[0-9]{2}-[0-9]{2}.* (reliable|low)$' || true)
    [[ $printed -ge 40 ]] || echo "$printed rows"
)"
[[ $FAILED -eq 0 ]] || exit 1
if [[ -z $AXE ]]; then
    echo "axe-core $AXE_VERSION could not be fetched from registry.npmjs.org; all else was checked"
    exit 77
fi
