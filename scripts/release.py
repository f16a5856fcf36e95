#!/usr/bin/env python3
"""Compares two full install scripts, statement by statement.

Usage: release.py draft OLD_SCRIPT NEW_SCRIPT   a first draft of the update script, to standard output
       release.py same RELEASED GENERATED       whether both say the same, in whatever order

Draft: new functions are created, changed ones replaced, or dropped and made again where PostgreSQL does not
let them be replaced; then follows, as in every install, all of sql/finalize.sql. What somebody has to
think about is marked REVIEW; a script with that word in it cannot be released.
"""
import re
import sys

HEADER = """\
-- mindmeasure {old} to {new}: functions, then what every install ends with (sql/finalize.sql).
-- The tables come last, by mm_migrate().
"""


def statements(text):
    """Splits SQL into statements, each with the comments before it left out."""
    token = re.compile(
        r"--[^\n]*|/\*.*?\*/|(?:\b[eE])'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
        r"|\$(\w*)\$.*?\$\1\$|;|[^-/'\"$;]+|.",
        re.S,
    )
    found, current = [], ""
    for match in token.finditer(text):
        piece = match.group()
        if piece == ";":
            found.append(current.strip() + ";")
            current = ""
        elif piece.startswith("--") or (piece.startswith("/*") and not current.strip()):
            # Comments inside a statement stay; those between statements are pgrx's or are in the file.
            current += piece if current.strip() else ""
        else:
            current += piece
    if current.strip():
        raise SystemExit(f"release.py: not closed by a semicolon: {current.strip()[:80]}")
    if any(re.search(r"\bBEGIN\s+ATOMIC\b", s) and s.startswith("CREATE") for s in found):
        raise SystemExit("release.py: BEGIN ATOMIC is not understood: use a quoted body")
    return found


def block_of(script, name):
    """The text that pgrx took from the SQL file of a name; the script without it."""
    pattern = re.compile(
        r"/\* <begin connected objects> \*/\n-- [^\n]*\n-- " + name + r"\n(.*?)/\* </end connected objects> \*/", re.S
    )
    match = pattern.search(script)
    if not match:
        raise SystemExit(f"release.py: no part {name} in the script")
    return match.group(1), script[: match.start()] + script[match.end() :]


def split_top_level(text):
    """Splits at the commas that are outside of parentheses and quotes."""
    parts, depth, current = [], 0, ""
    for piece in re.findall(r"'(?:[^']|'')*'|\"[^\"]*\"|[(\[]|[)\]]|,|[^'\"()\[\],]+|.", text, re.S):
        depth += (piece in "([") - (piece in ")]") if len(piece) == 1 else 0
        if piece == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += piece
    return [part for part in parts + [current] if part.strip()]


class Function:
    def __init__(self, statement):
        text = re.sub(r"/\*.*?\*/", " ", statement, flags=re.S)
        head = re.match(r'CREATE\s+(?:FUNCTION|PROCEDURE)\s+(?:@extschema@\.)?"?(\w+)"?\s*\(', text)
        self.statement, self.name = statement, head.group(1)
        depth, end = 1, head.end()
        while depth:
            depth += (text[end] == "(") - (text[end] == ")")
            end += 1
        arguments = split_top_level(text[head.end() : end - 1])
        self.defaults = sum(1 for a in arguments if re.search(r"\bDEFAULT\b|=", a))
        self.arguments = ", ".join(
            " ".join(re.split(r"\s+DEFAULT\b|=", a)[0].split()).replace('"', "") for a in arguments
        )
        self.key = (self.name, self.arguments.lower())
        # What follows, up to the first word that is not of the result.
        tail = re.split(
            r"\b(?:LANGUAGE|IMMUTABLE|STABLE|VOLATILE|STRICT|SECURITY|SET|PARALLEL|CALLED|COST|ROWS|AS)\b", text[end:]
        )[0]
        self.returns = " ".join(tail.split()).lower()

    def replaceable_by(self, new):
        return self.returns == new.returns and self.defaults <= new.defaults

    def dropping(self):
        return f"DROP ROUTINE @extschema@.{self.name}({self.arguments});"


def is_function(statement):
    return re.match(r"CREATE\s+(FUNCTION|PROCEDURE)\b", statement) is not None


def qualified(statement, create="CREATE"):
    """With its schema named, as pgrx does not."""
    return re.sub(r'^CREATE\s+(\w+)\s+(?:@extschema@\.)?"?(\w+)"?', rf"{create} \1 @extschema@.\2", statement)


def draft(old_script, new_script):
    _, old_rest = block_of(old_script, "finalize")
    finalize, new_rest = block_of(new_script, "finalize")
    old = statements(old_rest)
    old_functions = {f.key: f for f in map(Function, filter(is_function, old))}
    old_others = {s for s in old if not is_function(s)}
    dropped, made = [], []
    kept, again = set(), set()
    for statement in statements(new_rest):
        if not is_function(statement):
            comment = re.match(r"COMMENT ON (?:FUNCTION|PROCEDURE|ROUTINE) @extschema@\.(\w+)", statement)
            # A comment goes with the function that is dropped.
            if comment and (comment.group(1) in again or statement not in old_others):
                made.append(statement)
            elif not comment and statement not in old_others and not statement.startswith("DO $names$"):
                made.append(f"-- REVIEW: new or changed; an existing database has to get there too.\n{statement}")
            continue
        new = Function(statement)
        before = old_functions.get(new.key)
        kept.add(new.key)
        if before is None:
            made.append(qualified(statement))
        elif before.statement != statement:
            if before.replaceable_by(new):
                made.append(qualified(statement, "CREATE OR REPLACE"))
            else:
                again.add(new.name)
                dropped.append(f"-- REVIEW: its result or defaults changed. Does a table, view or policy use it?\n{before.dropping()}")
                made.append(qualified(statement))
    for key, function in old_functions.items():
        if key not in kept:
            dropped.append(f"-- REVIEW: gone. Does a table, view, policy or application use it?\n{function.dropping()}")
    return dropped + made, finalize.strip()


def version_of(path):
    return re.search(r"--([^-]+)\.sql$", path).group(1)


def differences(released, generated):
    """pgrx puts parts that do not depend on one another now in this order and now in that."""
    one, other = set(statements(released)), set(statements(generated))
    for mark, found in (("released only", one - other), ("generated only", other - one)):
        for statement in found:
            yield f"{mark}: {' '.join(statement.split())[:100]}"


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("draft", "same"):
        raise SystemExit(__doc__)
    with open(sys.argv[2]) as first, open(sys.argv[3]) as second:
        old, new = first.read(), second.read()
    if sys.argv[1] == "same":
        found = sorted(differences(old, new))
        print(*found, sep="\n", end="")
        raise SystemExit(1 if found else 0)
    changes, finalize = draft(old, new)
    print(HEADER.format(old=version_of(sys.argv[2]), new=version_of(sys.argv[3])))
    for change in changes:
        print(change + "\n")
    print(finalize)


if __name__ == "__main__":
    main()
