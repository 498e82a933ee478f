#!/usr/bin/env python3
"""Compares the seal with another implementation of it, which does not use libsodium.

    tests/seal/known_answer.py PROGRAM   what seal_answers seals and opens; 77: no `cryptography`
    tests/seal/known_answer.py           prints the datagram that sealer_test.cpp expects

ChaCha20-Poly1305 is OpenSSL's, by the package `cryptography`; the subkey is that of HChaCha20 as
draft-irtf-cfrg-xchacha-03 writes it, section 2.2; the key's id is hashlib's BLAKE2b.
"""

import base64
import hashlib
import struct
import subprocess
import sys

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
except ImportError:
    print("this python has no package `cryptography` (Debian: python3-cryptography)")
    sys.exit(77)

INSTANCE, DATE = 0x0123456789abcdef, 1_800_000_000  # of seal_answers.cpp


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


def hash_of(key, text):
    return hashlib.blake2b(text, key=key, digest_size=32).digest()[:4]


def head_of(key, instance, date, count):
    return (b"\x73\x01\x00\x00" + hash_of(key, b"gossipmonger key id 1") +
            struct.pack("<QII", instance, date, count))


def seal(key, content, instance=INSTANCE, date=DATE, count=1):
    head = head_of(key, instance, date, count)
    cipher = ChaCha20Poly1305(hchacha20(key, head[:16]))
    return head + cipher.encrypt(bytes(4) + head[16:], content, b"")


def unseal(key, datagram):
    """None where the tag does not hold."""
    cipher = ChaCha20Poly1305(hchacha20(key, datagram[:16]))
    try:
        return cipher.decrypt(bytes(4) + datagram[16:24], datagram[24:], b"")
    except InvalidTag:
        return None


def flip(datagram, at):
    return datagram[:at] + bytes([datagram[at] ^ 1]) + datagram[at + 1:]


# The draft's own example of HChaCha20, section 2.2.1.
example = hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927"))
assert example == bytes.fromhex("82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc")

SEALS, OPENS = (bytes(range(first, first + 32)) for first in (0x80, 0x10))
SAMPLE = b"Ladies and Gentlemen of the class of '99"  # 40 bytes
CONTENTS = [b"", SAMPLE, (SAMPLE * 29)[:1160], bytes(1160)]


def check(program):
    """The number of answers that differ from what is worked out here."""
    asked, expected = [], []

    def ask(command, operand, answer):
        asked.append(f"{command} {operand.hex()}\n")
        expected.append(answer if isinstance(answer, str) else answer.hex())

    for count, content in enumerate(CONTENTS, 1):
        made = seal(SEALS, content, count=count)
        assert unseal(SEALS, made) == content and unseal(OPENS, made) is None
        ask("seal", content, made)
    for instance, key in enumerate((SEALS, OPENS), 1):
        for count, content in enumerate(CONTENTS, 1):
            made = seal(key, content, instance, count=count)
            for at in (24, len(made) - 17, len(made) - 16, len(made) - 1):
                ask("open", flip(made, max(at, 24)), "<forged>")
            ask("open", made, content)
            ask("open", made, "<replayed>")
    # The date and the count are in the nonce, not beside it.
    made = seal(SEALS, SAMPLE, 3, DATE + 3600, 7)
    ask("open", made[:16] + struct.pack("<I", DATE) + made[20:], "<forged>")
    ask("open", made[:20] + struct.pack("<I", 8) + made[24:], "<forged>")
    ask("open", made, SAMPLE)
    ask("open", seal(bytes(32), SAMPLE, 4), "<key>")

    done = subprocess.run([program], input="".join(asked), stdout=subprocess.PIPE, text=True,
                          timeout=60, check=True)
    answers = done.stdout.splitlines()
    wrong = abs(len(answers) - len(expected))
    for line, answer, wanted in zip(asked, answers, expected):
        if answer != wanted:
            wrong += 1
            print(f"{line.strip()}\n  gives {answer}\n  not   {wanted}")
    print(f"{len(expected)} answers, {wrong} wrong")
    return wrong


if len(sys.argv) > 1:
    sys.exit(check(sys.argv[1]) > 0)
print("key   gmk1-" +
      base64.urlsafe_b64encode(SEALS + hash_of(SEALS, b"gossipmonger key check 1")).decode())
print("id    %08x" % struct.unpack("<I", hash_of(SEALS, b"gossipmonger key id 1")))
print("seal  " + seal(SEALS, SAMPLE).hex())
