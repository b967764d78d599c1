"""Verifies document seals, from docs/format.md alone and without fireseal's code.

Usage: documents.py tests/vectors/documents.json
"""

import hashlib
import hmac
import json
import struct
import sys


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def u32(number):
    return number.to_bytes(4, "little")


def sized(text):
    return u32(len(text.encode())) + text.encode()


def derived(data_key, info):
    return mac(mac(b"fireseal v1 data key", data_key), info + b"\x01")


def bits(number):
    [number] = struct.unpack(">d", bytes.fromhex(number))
    if number != number:
        return (0x7FF8 << 48).to_bytes(8, "little")
    return struct.pack("<d", number + 0.0)


def sorted_names(names):
    return sorted(names, key=lambda name: name.encode())


def canonical(value):
    [(kind, content)] = value.items()
    match kind:
        case "null":
            return b"\x00"
        case "boolean":
            return bytes([1, content])
        case "integer":
            return b"\x02" + int(content).to_bytes(8, "little", signed=True)
        case "double":
            return b"\x03" + bits(content)
        case "timestamp":
            seconds, nanos = content
            return b"\x04" + seconds.to_bytes(8, "little", signed=True) + u32(nanos // 1000)
        case "string":
            return b"\x05" + sized(content)
        case "bytes":
            content = bytes.fromhex(content)
            return b"\x06" + u32(len(content)) + hashlib.sha256(content).digest()
        case "reference":
            return b"\x07" + sized(content)
        case "point":
            return b"\x08" + bits(content[0]) + bits(content[1])
        case "array":
            return b"\x09" + u32(len(content)) + b"".join(map(canonical, content))
        case "map":
            entries = (sized(name) + canonical(content[name]) for name in sorted_names(content))
            return b"\x0a" + u32(len(content)) + b"".join(entries)


def path(document):
    ids = document.split("/")
    return u32(len(ids)) + b"".join(bytes([1 + at % 2]) + sized(one) for at, one in enumerate(ids))


class Malformed(Exception):
    pass


def demand(holds):
    if not holds:
        raise Malformed


def only(value, kind):
    demand(list(value) == [kind])
    return value[kind]


def decode(seal):
    seal = only(seal, "map")
    demand(sorted(seal) == ["covered", "key", "mac", "rev", "unbound", "v"] and only(seal["v"], "integer") == "1")
    names = [[only(name, "string") for name in only(seal[at], "array")] for at in ("covered", "unbound")]
    demand(all(some == sorted_names(set(some)) and "_seal" not in some for some in names))
    demand(not set(names[0]) & set(names[1]))
    key, code = (bytes.fromhex(only(seal[at], "bytes")) for at in ("key", "mac"))
    revision = int(only(seal["rev"], "integer"))
    demand(len(key) == len(code) == 32 and revision > 0)
    return key, revision, *names, code


def message(vector, fields, key, revision, covered, unbound):
    upkeep = dict(fields.get("_seal", {"map": {}})["map"])
    for name in ("doc", "write") + (("idx",) if upkeep.get("idx") == {"map": {}} else ()):
        upkeep.pop(name, None)
    return b"".join(
        [
            sized("fireseal v1 document seal"),
            sized(vector["realm"] or ""),
            sized(vector["scope"]),
            key,
            path(vector["document"]),
            revision.to_bytes(8, "little"),
            u32(len(covered)),
            *(sized(name) + canonical(fields[name]) for name in covered),
            u32(len(unbound)),
            *(sized(name) for name in unbound),
            canonical({"map": upkeep}),
        ]
    )


def outcome(vector):
    fields, data_key = vector["fields"], bytes.fromhex(vector["key"])
    seal = fields.get("_seal", {"map": {}})["map"].get("doc")
    if seal is None:
        return "unsealed"
    try:
        key, revision, covered, unbound, code = decode(seal)
    except Malformed:
        return "malformed"
    if key != derived(data_key, b"fireseal v1 key id"):
        return "key_unknown"
    if set(covered) != set(fields) - set(unbound) - {"_seal"}:
        return "changed"
    made = message(vector, fields, key, revision, covered, unbound)
    if not hmac.compare_digest(mac(derived(data_key, b"fireseal v1 document seal key"), made), code):
        return "changed"
    return "verifies" if made.hex() == vector["message"] else "another message"


vectors = json.load(open(sys.argv[1]))
failed = [vector["name"] for vector in vectors if outcome(vector) != vector["outcome"]]
print(f"{len(vectors)} tried, {len(failed)} failed {failed}")
sys.exit(bool(failed))
