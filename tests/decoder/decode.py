"""Opens fireseal format 1 without fireseal: libsodium, a MessagePack library, docs/format.md.

    decode.py DIRECTORY   opens every vector of the directory's open.json and refuse.json
    decode.py             opens one value, a vector as JSON on standard input, and prints what it holds
"""

import base64
import hashlib
import hmac
import json
import pathlib
import struct
import sys

import msgpack
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt
from nacl.exceptions import CryptoError

HEADER, TAG = 57, 16
MAX_DEPTH = 128


class Refused(Exception):
    """The outcome, in one word."""


class Entries:
    """A map as its entries, since a key need not be hashable."""

    def __init__(self, pairs):
        self.pairs = list(pairs)


def derive(data_key, label):
    """HKDF-SHA256 (RFC 5869) of one block."""
    extracted = hmac.digest(b"fireseal v1 data key", data_key, hashlib.sha256)
    return hmac.digest(extracted, label + b"\x01", hashlib.sha256)


def sized(data):
    return struct.pack("<I", len(data)) + data


def associated_data(place, key_id):
    document = [
        bytes([1 + position % 2]) + sized(segment.encode())
        for position, segment in enumerate(place["document"].split("/"))
    ]
    field = [
        b"\x03" + sized(step.encode()) if isinstance(step, str) else b"\x04" + struct.pack("<Q", step)
        for step in place["field"]
    ]
    whose = sized((place.get("realm") or "").encode()) + sized(place.get("scope", "default").encode())
    paths = [struct.pack("<I", len(document)), *document, struct.pack("<I", len(field)), *field]
    return sized(b"fireseal v1") + b"\x01" + whose + key_id + b"".join(paths)


def stored_bytes(place):
    if "envelope" in place:
        return bytes.fromhex(place["envelope"])
    prefix, _, text = place["text"].partition(":")
    try:
        stored = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused("plaintext") from None
    if prefix != "fireseal" or base64.b64encode(stored).decode() != text:
        raise Refused("plaintext")
    return stored


def decrypt(place, stored):
    if len(stored) <= HEADER + TAG or stored[0] != 1:
        raise Refused("malformed")
    key_id, nonce, sealed = stored[1:33], stored[33:HEADER], stored[HEADER:]
    for data_key in map(bytes.fromhex, place["keys"]):
        if hmac.compare_digest(derive(data_key, b"fireseal v1 key id"), key_id):
            break
    else:
        raise Refused("key_unknown")
    sealing_key = derive(data_key, b"fireseal v1 sealing key")
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, associated_data(place, key_id), nonce, sealing_key)
    except CryptoError:
        raise Refused("does_not_open") from None


def neutral(value, depth=0):
    """The value as the vectors write it: one key that names the kind."""
    depth += isinstance(value, (list, Entries))
    if depth > MAX_DEPTH:
        raise Refused("not_decodable")
    match value:
        case None:
            return {"nil": None}
        case bool():
            return {"bool": value}
        case int():
            return {"int": str(value)}
        case float():
            return {"float": struct.pack(">d", value).hex()}
        case str():
            return {"str": value}
        case bytes():
            return {"bin": value.hex()}
        case Entries():
            return {"map": [[neutral(key, depth), neutral(entry, depth)] for key, entry in value.pairs]}
        case list():
            return {"array": [neutral(element, depth) for element in value]}
    raise Refused("not_decodable")  # an extension type


def decode(plaintext):
    content, value = plaintext[0], plaintext[1:]
    if content & 0x10:
        value = value.rstrip(b"\0")
        if not value.endswith(b"\x80"):
            raise Refused("not_decodable")
        value = value[:-1]
    if content & ~0x10 == 2:
        return {"raw": value.hex()}
    if content & ~0x10 != 1:
        raise Refused("not_decodable")
    try:
        # Refuses trailing bytes, text that is not UTF-8, and lengths beyond the input.
        return neutral(msgpack.unpackb(value, strict_map_key=False, object_pairs_hook=Entries))
    except (ValueError, RecursionError, msgpack.UnpackException):
        raise Refused("not_decodable") from None


def outcome(place):
    try:
        return {"outcome": "opens", "value": decode(decrypt(place, stored_bytes(place)))}
    except Refused as refused:
        return {"outcome": str(refused)}


def main():
    if len(sys.argv) < 2:
        print(json.dumps(outcome(json.load(sys.stdin))))
        return 0
    directory = pathlib.Path(sys.argv[1])
    vectors = [v for name in ("open.json", "refuse.json") for v in json.loads((directory / name).read_text("utf-8"))]
    failed = [v for v in vectors for got in [outcome(v)] if any(got[key] != v.get(key, got[key]) for key in got)]
    for vector in failed:
        print(f"{vector['name']}: wanted {vector['outcome']}, got {outcome(vector)}"[:400])
    print(f"{len(vectors) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not vectors else 0


sys.exit(main())
