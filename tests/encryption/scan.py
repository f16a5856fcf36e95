"""Names every file below the given places in which a marker can be found, in any of the forms in which a
database, a log or a client would write it. Usage: scan.py MARKER PLACE..."""
import base64
import os
import sys


def forms(marker):
    raw = marker.encode()
    yield "utf-8", raw
    yield "utf-8, upper case", raw.upper()
    yield "utf-16-le", marker.encode("utf-16-le")
    yield "utf-16-be", marker.encode("utf-16-be")
    yield "hex", raw.hex().encode()
    yield "reversed", raw[::-1]
    # A place in a longer text has one of three alignments; the characters at the edges belong to neighbours.
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + raw)
        yield f"base64, shift {shift}", encoded[4:-4]
        yield f"base64url, shift {shift}", encoded[4:-4].replace(b"+", b"-").replace(b"/", b"_")


def main(marker, *places):
    wanted = list(forms(marker))
    for place in places:
        walk = os.walk(place) if os.path.isdir(place) else [(os.path.dirname(place), [], [os.path.basename(place)])]
        for directory, _, files in walk:
            for name in files:
                path = os.path.join(directory, name)
                if not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    content = file.read()
                for form, pattern in wanted:
                    if pattern in content:
                        print(f"{os.path.relpath(path, place) if os.path.isdir(place) else path}: {form}")


main(*sys.argv[1:])
