"""Makes the tokens of blind indexes again, from docs/format.md alone and without fireseal's code.

Usage: tokens.py tests/vectors/tokens.json
"""

import hashlib
import hmac
import json
import re
import sys
import unicodedata
from datetime import datetime, timezone
from decimal import Decimal, ROUND_FLOOR
from fractions import Fraction


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def u32(number):
    return number.to_bytes(4, "little")


def i128(number):
    return (number % (1 << 128)).to_bytes(16, "little")


def sized(content):
    return u32(len(content)) + content


def fold(text):
    return text.casefold()


def email(text):
    mailbox, at, domain = unicodedata.normalize("NFKC", text).strip().rpartition("@")
    if not at:
        mailbox, domain = domain, ""
    # Letter by letter, so that a final sigma is no matter; only U+0130 has a longer lower case.
    lower = "".join(letter.lower()[0] for letter in domain)
    return unicodedata.normalize("NFKC", fold(mailbox) + at + lower)


NORMALIZERS = {
    "trim": (1, str.strip),
    "casefold": (2, fold),
    "nfc": (3, lambda text: unicodedata.normalize("NFC", text)),
    "nfkc": (4, lambda text: unicodedata.normalize("NFKC", text)),
    "email": (5, email),
    "digits": (6, lambda text: "".join(str(unicodedata.decimal(c)) for c in text if c.isdecimal())),
}


def normal(text, steps):
    for step in steps:
        text = NORMALIZERS[step][1](text)
    return text


def canonical(value, steps):
    [(kind, content)] = value.items()
    if kind == "text":
        return b"\x01" + sized(normal(content, steps).encode())
    if kind == "integer":
        return b"\x02" + sized(i128(int(content)))
    if kind == "truth":
        return b"\x03" + sized(bytes([content]))
    return b"\x04" + sized(bytes.fromhex(content))


def segments(path):
    parts = path.split("/")
    encoded = b"".join(bytes([1 + i % 2]) + sized(part.encode()) for i, part in enumerate(parts))
    return u32(len(parts)) + encoded


def place(vector, label):
    return sized(label) + sized((vector["realm"] or "").encode()) + sized(vector["scope"].encode())


def token_key(vector, kind, bounds=b"", normalize=True, bits=None):
    collection = vector["document"].rpartition("/")[0]
    info = place(vector, b"fireseal v1 token key")
    info += b"\x02" + segments(collection) if kind == 6 else b"\x01" + sized(collection.rpartition("/")[2].encode())
    info += u32(len(vector["field"])) + b"".join(b"\x03" + sized(name.encode()) for name in vector["field"])
    steps = vector["normalize"] if normalize else []
    info += bytes([kind]) + u32(len(steps)) + bytes(NORMALIZERS[step][0] for step in steps) + bounds
    info += bytes([vector["bits"] if bits is None else bits])
    assert kind not in (1, 5) or info.hex() == vector.get("info", info.hex())
    return expand(vector, info)


def expand(vector, info):
    extracted = mac(b"fireseal v1 index key", bytes.fromhex(vector["index_key"]))
    return mac(extracted, info + b"\x01")


def cut(token, bits):
    return (int.from_bytes(token[: (bits + 7) // 8], "big") >> -bits % 8 << -bits % 8).to_bytes((bits + 7) // 8, "big")


def intervals(kind, bounds, value):
    """The scale, the bounds in units, and the intervals of a value."""
    low, high, step = (Decimal(str(bounds[name])) for name in ("min", "max", "step"))
    scale = max(0, *(-bound.normalize().as_tuple().exponent for bound in (low, high, step)))
    low, high, step = (int(bound.scaleb(scale)) for bound in (low, high, step))
    [content] = value.values()
    if kind == "times":
        time = datetime.fromisoformat(content)
        time = time.replace(tzinfo=time.tzinfo or timezone.utc)
        units = (time - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds() // 1
    else:
        units = Fraction(Decimal(str(content))) * 10**scale // 1
    bucket = (min(max(int(units), low), high) - low) // step
    levels = ((high - low) // step).bit_length()
    encoded = [b"\x05" + sized(bytes([level]) + i128(bucket >> level)) for level in range(levels + 1)]
    number = {"integers": b"\x01", "times": b"\x02", "decimals": b"\x03" + u32(scale)}[kind]
    return number + i128(low) + i128(high) + i128(step), encoded


def make(vector):
    kind, steps, value = vector["kind"], vector["normalize"], vector["value"]
    if kind in ("equality", "unique"):
        return token_key(vector, 1), [canonical(value, steps)]
    if kind == "compound":
        return token_key(vector, 5), [b"\x06" + u32(len(value)) + b"".join(canonical(part, steps) for part in value)]
    if kind == "words":
        # Enough of Unicode's word boundaries for the vectors.
        found = re.findall(r"\w+(?:['.]\w+)*", normal(value["text"], steps))
        return token_key(vector, 3), [canonical({"text": word}, []) for word in found]
    [(name, bounds)] = kind.items()
    if name == "prefix":
        low, high, text = bounds["min"], bounds["max"], normal(value["text"], steps)
        key = token_key(vector, 2, low.to_bytes(2, "little") + high.to_bytes(2, "little"))
        return key, [canonical({"text": text[:end]}, []) for end in range(low, min(high, len(text)) + 1)]
    encoded, values = intervals(name, bounds, value)
    return token_key(vector, 4, encoded, normalize=False), values


def agrees(vector):
    key, values = make(vector)
    tokens = sorted({cut(mac(key, value), vector["bits"]).hex() for value in values})
    if "unique" not in vector:
        return tokens == vector["tokens"] and vector.get("canonical") in [None] + [value.hex() for value in values]
    unique = mac(token_key(vector, 6, bits=0), values[0])
    code = mac(expand(vector, place(vector, b"fireseal v1 reservation key")), unique + segments(vector["document"]))
    return tokens == vector["tokens"] and unique.hex() == vector["unique"] and code.hex() == vector["code"]


vectors = json.load(open(sys.argv[1]))
failed = [vector["name"] for vector in vectors if not agrees(vector)]
print(f"{len(vectors)} tried, {len(failed)} failed {failed}")
sys.exit(bool(failed))
