"""Opens fireseal format 1 without fireseal: libsodium, a MessagePack library, docs/format.md.

    decode.py DIRECTORY   opens every vector of the directory's open.json, refuse.json and messages.json
    decode.py             opens one value, a vector as JSON on standard input, and prints what it holds
"""

import base64, hashlib, hmac, json, pathlib, struct, sys

import msgpack
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt
from nacl.exceptions import CryptoError

HEADER, TAG, MAX_DEPTH = 57, 16, 128
KINDS = {type(None): ("nil", lambda _: None), bool: ("bool", bool), int: ("int", str), str: ("str", str),
         bytes: ("bin", bytes.hex), float: ("float", lambda value: struct.pack(">d", value).hex())}


class Refused(Exception): """The outcome, in one word."""


class Entries(list): """A map as its entries, since a key need not be hashable."""


def derive(key, kind):
    """HKDF-SHA256 (RFC 5869), one block each: the key id and the sealing key."""
    extracted = hmac.digest(b"fireseal v1 " + (kind or b"data ") + b"key", key, hashlib.sha256)
    labels = [b"fireseal v1 " + kind + label + b"\x01" for label in (b"key id", b"sealing key")]
    return [hmac.digest(extracted, label, hashlib.sha256) for label in labels]


def sized(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def counted(components):
    return struct.pack("<I", len(components)) + b"".join(components)


def message_place(message):
    channel = bytes([("subject", "method").index(message["channel"]) + 1]) + sized(message["name"])
    direction = bytes([("event", "request", "response").index(message["direction"]) + 1]) + sized(message["type"])
    forms = {"sender": sized, "expiry": lambda seconds: struct.pack("<Q", seconds), "answers": bytes.fromhex}
    claims = [b"\0" if message.get(name) is None else b"\x01" + forms[name](message[name]) for name in forms]
    return channel + direction + b"".join(claims)


def associated_data(place, key_id):
    if "message" in place:
        kind, where = b"\x02", message_place(place["message"])
    else:
        ids = enumerate(place["document"].split("/"))
        kind, where = b"\x01", counted([bytes([1 + position % 2]) + sized(segment) for position, segment in ids])
    steps = [b"\x03" + sized(step) if isinstance(step, str) else b"\x04" + struct.pack("<Q", step)
             for step in place["field"]]
    whose = sized(place.get("realm") or "") + sized(place.get("scope", "default")) + key_id
    return sized("fireseal v1") + kind + whose + where + counted(steps)


def protobuf_field(rest, wanted):
    """The content of a length-delimited field of a protobuf message."""
    def varint():
        nonlocal rest
        size = next(at for at, byte in enumerate(rest) if byte < 0x80) + 1
        value, rest = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(rest[:size])), rest[size:]
        return value
    while True:
        number, wire = divmod(varint(), 8)
        size = varint() if wire in (0, 2) else {1: 8, 5: 4}[wire]
        if (number, wire) == (wanted, 2):
            return rest[:size]
        rest = rest[size if wire else 0:]


def stored_bytes(place):
    if "protobuf" in place:
        return protobuf_field(bytes.fromhex(place["protobuf"]), place["number"])
    if "envelope" in place:
        return bytes.fromhex(place["envelope"])
    try:
        stored = base64.b64decode(place["text"].removeprefix("fireseal:"), validate=True)
    except ValueError:
        raise Refused("plaintext") from None
    if "fireseal:" + base64.b64encode(stored).decode() != place["text"]:
        raise Refused("plaintext")
    return stored


def decrypt(place, stored):
    if len(stored) <= HEADER + TAG or stored[0] != 1:
        raise Refused("malformed")
    key_id, nonce, sealed = stored[1:33], stored[33:HEADER], stored[HEADER:]
    ring = dict(derive(bytes.fromhex(key), b"message " if "message" in place else b"") for key in place["keys"])
    if key_id not in ring:
        raise Refused("key_unknown")
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, associated_data(place, key_id), nonce, ring[key_id])
    except CryptoError:
        raise Refused("does_not_open") from None


def neutral(value, depth=0):
    """The value as the vectors write it: one key that names the kind."""
    if depth == MAX_DEPTH and isinstance(value, list) or not isinstance(value, (list, *KINDS)):
        raise Refused("not_decodable")  # too deep, or an extension type
    if isinstance(value, Entries):
        return {"map": [[neutral(part, depth + 1) for part in entry] for entry in value]}
    if isinstance(value, list):
        return {"array": [neutral(element, depth + 1) for element in value]}
    name, form = KINDS[type(value)]
    return {name: form(value)}


def decode(plaintext):
    content, value = plaintext[0], plaintext[1:]
    if content & 0x10:
        value, start = value.rstrip(b"\0")[:-1], value.rstrip(b"\0")[-1:]
        if start != b"\x80":
            raise Refused("not_decodable")
    if content & ~0x10 == 2:
        return {"raw": value.hex()}
    try:
        if content & ~0x10 != 1:
            raise ValueError(content)
        # Refuses trailing bytes, text that is not UTF-8, and lengths beyond the input.
        return neutral(msgpack.unpackb(value, strict_map_key=False, object_pairs_hook=Entries))
    except (ValueError, RecursionError, KeyError, msgpack.UnpackException):
        raise Refused("not_decodable") from None


def outcome(place):
    try:
        return {"outcome": "opens", "value": decode(decrypt(place, stored_bytes(place)))}
    except Refused as refused:
        return {"outcome": str(refused)}


def main():
    if len(sys.argv) < 2:
        return print(json.dumps(outcome(json.load(sys.stdin))))
    texts = [pathlib.Path(sys.argv[1], f"{name}.json").read_text("utf-8") for name in ("open", "refuse", "messages")]
    vectors = [vector for text in texts for vector in json.loads(text)]
    failed = [v for v in vectors for got in [outcome(v)] if any(got[key] != v.get(key, got[key]) for key in got)]
    print(*[f"{v['name']}: wanted {v['outcome']}, got {outcome(v)}"[:400] + "\n" for v in failed], sep="", end="")
    print(f"{len(vectors) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not vectors else 0


sys.exit(main())
