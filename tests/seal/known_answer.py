#!/usr/bin/env python3
"""Prints the sealed datagram that sealer_test.cpp expects, without libsodium.

ChaCha20-Poly1305 is OpenSSL's, by the package `cryptography`; the subkey is that of HChaCha20 as
draft-irtf-cfrg-xchacha-03 writes it, section 2.2; the key's id is hashlib's BLAKE2b.
"""

import base64
import hashlib
import struct

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305


def quarter_round(s, a, b, c, d):
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xffffffff
        mixed = s[z] ^ s[x]
        s[z] = (mixed << turn | mixed >> (32 - turn)) & 0xffffffff


def hchacha20(key, nonce):
    s = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for columns in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                        (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter_round(s, *columns)
    return struct.pack("<8I", *(s[:4] + s[12:]))


# The draft's own example of HChaCha20, section 2.2.1.
example = hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927"))
assert example == bytes.fromhex("82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc")

key = bytes(range(0x80, 0xa0))
key_id = hashlib.blake2b(b"gossipmonger key id 1", key=key, digest_size=32).digest()[:4]
check = hashlib.blake2b(b"gossipmonger key check 1", key=key, digest_size=32).digest()[:4]
instance, date, count = 0x0123456789abcdef, 1_800_000_000, 1
content = b"Ladies and Gentlemen of the class of '99"
head = b"\x73\x01\x00\x00" + key_id + struct.pack("<QII", instance, date, count)
sealed = ChaCha20Poly1305(hchacha20(key, head[:16])).encrypt(bytes(4) + head[16:], content, b"")

print("key   gmk1-" + base64.urlsafe_b64encode(key + check).decode())
print("id    %08x" % struct.unpack("<I", key_id))
print("seal  " + (head + sealed).hex())
