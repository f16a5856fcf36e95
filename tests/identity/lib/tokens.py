"""Makes keys and tokens for tests/identity/run.sh, with openssl and nothing else.

usage: tokens.py DIRECTORY PERSON
Writes DIRECTORY/keys.json (the JWK Set) and DIRECTORY/cases.tsv: name, token, and what
mm_set_identity() must answer: the person, or the message of the error.
"""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time

HERE, PERSON = sys.argv[1], sys.argv[2]
NOW = int(time.time())


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def path(name):
    return os.path.join(HERE, name)


def make(name, *options):
    openssl("genpkey", *options, "-out", path(name))
    return openssl("pkey", "-in", path(name), "-pubout", "-outform", "DER")


def sign_rsa(name):
    return lambda message: openssl("dgst", "-sha256", "-sign", path(name), data=message)


def sign_ec(name):
    def sign(message):
        der = openssl("dgst", "-sha256", "-sign", path(name), data=message)
        length = der[3]
        r, s = der[4 : 4 + length], der[6 + length :]
        return b"".join(n.lstrip(b"\0").rjust(32, b"\0") for n in (r, s))

    return sign


def sign_ed(name):
    def sign(message):
        with open(path("message"), "wb") as file:
            file.write(message)
        return openssl("pkeyutl", "-sign", "-rawin", "-inkey", path(name), "-in", path("message"))

    return sign


def sign_hmac(secret, digest=hashlib.sha256):
    return lambda message: hmac.new(secret, message, digest).digest()


RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
SECRET = os.urandom(32)
rsa, ec, ed = make("rsa", *RSA), make("ec", *EC), make("ed", "-algorithm", "ED25519")
make("other_rsa", *RSA)
make("other_ec", *EC)
modulus = bytes.fromhex(openssl("rsa", "-in", path("rsa"), "-noout", "-modulus").decode().strip().split("=")[1])

KEYS = [
    {"kty": "oct", "kid": "h", "alg": "HS256", "use": "sig", "k": b64(SECRET)},
    {"kty": "RSA", "kid": "r", "alg": "RS256", "use": "sig", "n": b64(modulus), "e": "AQAB"},
    {"kty": "EC", "kid": "e", "crv": "P-256", "x": b64(ec[-64:-32]), "y": b64(ec[-32:])},
    {"kty": "OKP", "kid": "d", "crv": "Ed25519", "x": b64(ed[-32:])},
]
SIGN = {"HS256": sign_hmac(SECRET), "RS256": sign_rsa("rsa"), "ES256": sign_ec("ec"), "EdDSA": sign_ed("ed")}
KID = {"HS256": "h", "RS256": "r", "ES256": "e", "EdDSA": "d"}


def token(alg="HS256", sign=None, header=None, drop=(), **claims):
    head = {"typ": "JWT", "alg": alg, "kid": KID.get(alg, "h"), **(header or {})}
    body = {"sub": PERSON, "aud": "mindmeasure", "iss": "https://id.example.org", "exp": NOW + 3600, "iat": NOW, **claims}
    for name in drop:
        body.pop(name, None)
        head.pop(name, None)
    message = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(body).encode())}"
    return f"{message}.{b64((sign or SIGN[alg])(message.encode()))}"


def other(part, text):
    """The same token with another header (0), payload (1) or signature (2)."""
    parts = text.split(".")
    parts[part] = b64(json.dumps(part_of(parts[part])).encode()) if part == 1 else flipped(parts[part])
    return ".".join(parts)


def part_of(text):
    body = json.loads(base64.urlsafe_b64decode(text + "=="))
    body["sub"] = "b0b00000-0000-4000-8000-000000000000"
    return body


def flipped(text):
    raw = bytearray(base64.urlsafe_b64decode(text + "=="))
    raw[len(raw) // 2] ^= 1
    return b64(bytes(raw))


NONE = "jwt: is no token signed with HS256, RS256, ES256 or EdDSA"
UNKNOWN = "jwt: names no known key of its algorithm"
FORGED = "jwt: has a signature that does not verify"
LACKS = "jwt: lacks one of exp, sub, aud, iss, or one is malformed"
none = lambda _: b""
public_pem = openssl("pkey", "-in", path("rsa"), "-pubout")

CASES = []


def case(name, text, answer):
    CASES.append((name, text, answer))


for alg in SIGN:
    case(f"{alg} is taken", token(alg), PERSON)
    case(f"{alg} without kid, the only key of its kind", token(alg, drop=["kid"]), PERSON)
    case(f"{alg} with another payload", other(1, token(alg)), FORGED)
    case(f"{alg} with one bit of the signature changed", other(2, token(alg)), FORGED)
    case(f"{alg} without its signature", token(alg).rsplit(".", 1)[0] + ".", FORGED)
    case(f"{alg} with an unknown kid", token(alg, header={"kid": "x"}), UNKNOWN)
for name in ("none", "None", "NONE", "nOnE", ""):
    case(f"alg {name!r}", token(name, sign=none), NONE)
case("no alg at all", token(sign=none, drop=["alg"]), NONE)
case("HS256 with the RSA public key for a secret, under its kid", token("HS256", sign_hmac(public_pem), header={"kid": "r"}), UNKNOWN)
case("HS256 with the RSA modulus for a secret", token("HS256", sign_hmac(modulus), header={"kid": "r"}), UNKNOWN)
case("HS256 with the RSA public key for a secret, under the secret's kid", token("HS256", sign_hmac(public_pem)), FORGED)
case("HS512 with the right secret", token("HS512", sign_hmac(SECRET, hashlib.sha512), header={"kid": "h"}), UNKNOWN)
case("RS256 of another key", token("RS256", sign_rsa("other_rsa")), FORGED)
case("ES256 of another key", token("ES256", sign_ec("other_ec")), FORGED)
case("ES256 of zeros", token("ES256", lambda _: bytes(64)), FORGED)
case("EdDSA of zeros", token("EdDSA", lambda _: bytes(64)), FORGED)
case("a token that brings its own key", token("RS256", sign_rsa("other_rsa"), header={"jwk": {"kty": "RSA", "n": b64(modulus), "e": "AQAB"}, "jku": "https://evil.example.org"}), FORGED)
case("a critical extension", token(header={"crit": ["b64"], "b64": False}), "jwt: has a critical extension (crit)")
case("expired", token(exp=NOW - 120), "jwt: has expired")
case("expired within the leeway", token(exp=NOW - 10), PERSON)
case("expired at the beginning of time", token(exp=0), "jwt: has expired")
case("without exp", token(drop=["exp"]), LACKS)
case("exp as text", token(exp="tomorrow"), LACKS)
case("exp null", token(exp=None), LACKS)
case("exp below zero", token(exp=-1), LACKS)
case("not valid yet", token(nbf=NOW + 120), "jwt: is not valid yet")
case("valid in a moment, within the leeway", token(nbf=NOW + 10), PERSON)
case("nbf as text", token(nbf="now"), LACKS)
case("another audience", token(aud="elsewhere"), "jwt: is for another audience")
case("several audiences, ours among them", token(aud=["elsewhere", "mindmeasure"]), PERSON)
case("no audience", token(drop=["aud"]), LACKS)
case("an audience that is a number", token(aud=1), LACKS)
case("another issuer", token(iss="https://evil.example.org"), "jwt: is from another issuer")
case("no issuer", token(drop=["iss"]), LACKS)
case("without sub", token(drop=["sub"]), LACKS)
case("a sub that is no UUID", token(sub="alice"), "jwt: has no sub that is a UUID")
case("a sub that is a number", token(sub=1), LACKS)
case("an empty text", "", NONE)
case("two parts", token().rsplit(".", 1)[0], NONE)
case("four parts", token() + ".x", NONE)
case("no Base64", "?.?.?", NONE)
case("longer than 16 kB", token(note="x" * 17000), "jwt: is longer than 16 kB")

with open(path("cases.tsv"), "w") as file:
    for line in CASES:
        file.write("\t".join(line) + "\n")


def write(name, keys, mode=0o600):
    with open(path(name), "w") as file:
        json.dump({"keys": keys}, file)
    os.chmod(path(name), mode)


write("keys.json", KEYS)
write("public.json", KEYS[1:], 0o644)
write("secret_for_all.json", KEYS, 0o644)
write("written_by_all.json", KEYS[1:], 0o666)
write("short_secret.json", [{"kty": "oct", "kid": "h", "k": b64(SECRET[:31])}])
write("short_rsa.json", [{"kty": "RSA", "kid": "r", "n": b64(modulus[:128]), "e": "AQAB"}])
write("other_use.json", [{**KEYS[1], "use": "enc"}])
write("two_secrets.json", [{**KEYS[0], "kid": "1"}, {**KEYS[0], "kid": "2"}])
with open(path("no_json.json"), "w") as file:
    file.write("{")
os.chmod(path("no_json.json"), 0o600)
for name, text in {
    "good": token(),
    "bob": token(sub="b0b00000-0000-4000-8000-000000000000"),
    "no_kid": token(drop=["kid"]),
    "no_audience": token(drop=["aud"]),
    "rs256": token("RS256"),
}.items():
    with open(path(f"{name}.jwt"), "w") as file:
        file.write(text)
