@0xd6d1c0e5f1b24a37;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("gossipmonger::schema");

# The body of a gossipmonger datagram; this file is the format document.
#
# A datagram is a header of 24 bytes and then one Cap'n Proto segment, without a segment table,
# optionally followed by zero words (padding). All numbers are little-endian. Header:
#
#   0   u8   magic 0x67
#   1   u8   wire versions that the sender speaks: highest << 4 | lowest, each 1 to 15
#   2   u8   kind in the low four bits: 1 digest (root Digest), 2 reply, 3 deltas (root Reply);
#            bits 4-6: by how much the version of the body is below the sender's highest;
#            bit 7: `more`, the reply was cut, by the 3x rule or within the entries of a peer
#   3   u8   feature bits; unknown ones are ignored
#   4   u32  cluster id
#   8   u32  CRC32C over the whole datagram with this field zero
#   12  u48  cookie echo: the cookie that the receiver once gave the sender, 0 for none
#   18  u48  cookie for the receiver to echo, 0 for none
#
# Sealed datagrams: a node with a keyring sends each datagram inside of another one, of 40 bytes
# more. Every node keeps these free in what it sends. Format 1:
#
#   0     u8   magic 0x73; a plain datagram begins with 0x67
#   1     u8   format 1; a datagram of another format is dropped, and nothing is negotiated
#   2     u16  0
#   4     u32  key id: the first four bytes of BLAKE2b-256 of "gossipmonger key id 1" under the key
#   8     u64  instance, drawn at random by each node that seals, and anew in a fork and after 2^32
#   16    u32  seconds since the Unix epoch
#   20    u32  count of the instance: 1, 2, ...
#   24    n    the datagram, encrypted with XChaCha20 under the key; bytes 0 to 23 are the nonce
#   24+n  16   Poly1305 tag of these n bytes; there are no associated data
#
# A receiver checks in this order, and counts each drop: size (`length`), magic (`plain`), format,
# key id (`key`), whether the instance is its own (`reflected`). Of a known instance it looks at
# the window of 960 counts (`replayed`, `behind`), of another at the date (`stale`: over a day
# off). Then comes the tag (`forged`), and only then is the count marked. The datagram inside is
# read as any.
#
# Wire versions: the header is the same in all of them. A node reads a body that is written in a
# version of its own range, and drops any other as `wire_version`. It writes to each peer in the
# highest version that both speak, as far as it has heard from it, and else in its own lowest. So a
# cluster is upgraded node by node, as long as neighbouring releases have a version in common.
#
# A reader may walk each word of the body once (traversal limit: the body's size). Words that
# nothing points to are ignored, since they may hold fields of a later schema; the same goes for
# bits of packed fields that no comment names. A number is checked against its limit.
#
# Evolution: fields are only ever added, at the end of a struct. The meaning of a field never
# changes. A reader ignores fields that it does not know. A default (0, null) always means "as
# before the field existed". A change that an older reader would misread takes a new kind or a new
# wire version.

struct Entry {
  # The sender's knowledge of one peer: 24 bytes. Widths: version 47, left 1, generation 44,
  # heartbeat 36 bits.
  nameHash @0 :UInt64;
  # SipHash-2-4 of the name, under the cluster's key.
  versionAndHeartbeat @1 :UInt64;
  # bits 0-46 max version, bit 47 left, bits 48-63 the upper 16 bits of the heartbeat
  generationAndHeartbeat @2 :UInt64;
  # bits 0-43 generation, bits 44-63 the lower 20 bits of the heartbeat
}

struct Digest {
  # Leg 1.
  lo @0 :UInt64;
  hi @1 :UInt64;
  # The claim: a peer with a hash in [lo, hi] that is absent from the lists is unknown to the
  # sender. 1 and 0: no claim.
  senderIndex @2 :UInt16;
  # Where in `entries` the sender's own entry stands.
  receiverIndex @3 :UInt16;
  # Where the receiver's stands; 65535: the sender does not know the receiver.
  extraCount @4 :UInt16;
  unwantedCount @5 :UInt16;
  # Of the entries before the partials and suspicions, the last `unwantedCount` are unwanted, the
  # `extraCount` before them (at most 64) extra, all before those the range. In a digest without a
  # claim, none is unwanted: these `unwantedCount` elements (at most 64) are of the form Spared.
  receiverInstance @6 :UInt32;
  # The run of the receiver that the sender holds; 0 if none.
  entries @7 :List(Entry);
  partialCount @8 :UInt8;
  # The last `partialCount` entries before the suspicions are partials, with strictly ascending
  # hashes: how much the sender holds of a value that spans datagrams. In place of the max version
  # stands the version of that value. In place of the heartbeat stands the number of its first bytes
  # that are there, 1 to 2^24 - 1; the left bit is 0. The version 2^47 - 1 is of no value: another
  # node brings the sender the entries of that peer, and the receiver sends none.
  suspicionCount @9 :UInt8;
  # Bits 0-5: so many elements of `entries`, at most 32, the last of all but for those of bit 6, are
  # of the form Suspicion.
  # Bit 6: of a digest without a claim, the last element is of the form Root; of one with a claim,
  # the last three are of the form Buckets.
  # Bit 7: the sender heard, lately, an older run of the receiver's name that lives beside the
  # receiver.
  interval @10 :UInt8;
  # How often the sender gossips, rounded down: (8 + bits 0-2) * 2^(bits 3-7) milliseconds. 0: it
  # does not say.
  largestReceived @11 :UInt8;
  # How large the largest datagram was that came from the receiver of late; 0: none came. With e
  # the exponent of two in its size, 16 * (e - 3) and the four bits below the highest; 1 for less
  # than 16 bytes.
}

struct Root {
  # The sum of all rows that the sender tells of, in the place of an Entry. All rows count that
  # digests tell of, and all that stand in this digest. The sum is modulo 2^64. Of each row: the
  # SipHash-2-4 of 24 bytes, and 1 in place of 0. The bytes are name hash, generation, and max
  # version with bit 47 for `left`. The key is "smus wor", "ompissog": two little-endian numbers,
  # 0x726f772073756d73 and 0x676f737369706d6f.
  parts @0 :UInt64;
  nodes @1 :UInt64;
  # Bits 0-31: how many nodes the sender knows, itself included.
  none @2 :UInt64;
}

struct Buckets {
  # The claim is of these buckets alone, in the place of three Entries. Bucket i is the hashes with
  # the top nine bits i. Bit i % 64 of word i / 64 names it. Word 8 is 0. At least one is named.
  word0 @0 :UInt64;
  word1 @1 :UInt64;
  word2 @2 :UInt64;
}

struct Sums {
  # Sums over the sender's rows in 2^b buckets by the top b bits of their hashes, six bytes each, in
  # the place of 2^b / 4 Entries, at most 32. Bits 0-35: the sum of what Root says of each row; bits
  # 36-47: the sum of their max versions; each modulo its width. All rows count that digests tell
  # of, and all that the requests here name.
  sums0 @0 :UInt64;
  sums1 @1 :UInt64;
  sums2 @2 :UInt64;
}

struct Spared {
  # Versions of a peer that the sender holds, or that are on their way to it, though it lacks
  # earlier ones: the receiver does not send them again. In the place of an Entry. The intervals
  # ascend by hash and then by version, and those of a peer neither meet nor overlap.
  nameHash @0 :UInt64;
  after @1 :UInt64;
  upto @2 :UInt64;
  # The interval (after, upto], after < upto: bits 0-46 of each.
}

struct Suspicion {
  # The sender's knowledge of whether one incarnation lives, in the place of an Entry. Ages are in
  # sixteenths of the gossip interval, at the time of sending.
  nameHash @0 :UInt64;
  agesAndHeartbeat @1 :UInt64;
  # Bits 0-15: age of the suspicion; 65535: there is none. Bits 16-39: age of the latest direct
  # sign of life, saturating. Bit 40: a request to probe it. Bits 48-63: the upper 16 bits of the
  # heartbeat that it bore. A sign of life younger than the suspicion refutes it.
  generationAndHeartbeat @2 :UInt64;
  # as in Entry
}

struct Reply {
  # Legs 2 and 3.
  senderHash @0 :UInt64;
  senderVersionAndHeartbeat @1 :UInt64;
  senderGenerationAndHeartbeat @2 :UInt64;
  # The sender's own entry, packed as in Entry.
  receiverVersionAndHeartbeat @3 :UInt64;
  receiverGenerationAndHeartbeat @4 :UInt64;
  # The sender's entry of the receiver; generation 0: unknown.
  receiverHashLow @5 :UInt32;
  # The low 32 bits of the hash of the node this is meant for; 0 with generation 0.
  receiverInstance @6 :UInt32;
  deltas @7 :List(Delta);
  news @8 :News;
  # Null where it would be empty.
}

struct News {
  heartbeatCount @0 :UInt16;
  # The first `heartbeatCount` entries are newer at the sender; the others, up to the suspicions,
  # are requests: the sender's own entries of what it lacks.
  entries @1 :List(Entry);
  identities @2 :List(Identity);
  partialCount @3 :UInt8;
  # The last `partialCount` entries before the suspicions are partials of peers that the requests
  # name; as in Digest.
  suspicionCount @4 :UInt8;
  # As in Digest.
  refusal @5 :UInt8;
  # Why the sender takes nothing, or nothing further, of the receiver; for the receiver alone. 0: It
  # does. 1: The receiver's generation is more than a day ahead of the sender's clock. 2: The sender
  # knows as many peers as it may. 3: The receiver's entries exceed what the sender takes of a peer.
  # 4: The sender's storage refused one. Others are ignored.
  ofRoot @6 :UInt8;
  # 0: leg 1 was no Root. Bit 0: this answers a Root. Bit 1: leg 1 was no sign of life, so its
  # sender is to send leg 3 in any case. Bit 2: the sender knows little, so leg 3 is to tell all
  # rows. Bit 3: this is leg 3 after such an answer.
  sumBits @7 :UInt8;
  # 0: no sums. 3 to 9: the last elements of `entries` are of the form Sums, of 2^sumBits buckets.
  sumPart @8 :UInt8;
  # Of more than 128 buckets, the 128 from 128 * sumPart on stand here; else it is 0.
}

struct Identity {
  # The delta interval (0, 0]: creates or supersedes a peer.
  generation @0 :UInt64;
  # bits 0-43 generation, bit 44 left, bit 45: the peer is live at the sender, and no suspect
  heartbeat @1 :UInt64;
  instance @2 :UInt32;
  # Drawn at random per run.
  silentMs @3 :UInt32;
  # Since the sender last saw the heartbeat advance; saturates.
  addressHigh @4 :UInt64;
  addressLow @5 :UInt64;
  # The address's 16 bytes in network order, eight in each: the first byte is the lowest byte of
  # addressHigh. IPv4 in mapped form.
  port @6 :UInt16;
  # A link-local address is on the interface that the datagram came by: no scope is sent, for it
  # numbers the interfaces of one host.
  name @7 :Data;
  # 1 to 255 bytes of UTF-8.
}

struct Delta {
  # The entries of one incarnation in the interval (after, upto].
  nameHash @0 :UInt64;
  generationAndCount @1 :UInt64;
  # bits 0-43 generation, bits 44-59 number of entries, bit 60: `columns` begins with gaps,
  # bit 61: a fragment
  after @2 :UInt64;
  # bits 0-46 version, bits 47-63 the lower 17 bits of the offset, which is 0 but for a fragment
  upto @3 :UInt64;
  # likewise
  top @4 :UInt64;
  # bits 0-46 the highest owner version that the sender has evidence of, bits 47-53 the upper 7
  # bits of the offset of `after`, bits 54-60 those of `upto`
  columns @5 :Data;
  # Null without entries. Else the columns, one after the other, n = number of entries; a LEB128
  # number takes as few bytes as it can:
  #   gaps     only if bit 60 is set: n LEB128 numbers, the difference of each entry's version to
  #            the one before (the first to `after`), each >= 1. Without: all gaps are 1.
  #   keys     n bytes: the length of each key; 0 only for the compaction marker, never a
  #            tombstone, whose value is the floor in eight bytes
  #   values   n LEB128 numbers: 0 for a tombstone, else the length of the value + 1
  #   bytes    key and value of each entry in turn
  # Nothing may follow.
  #
  # A fragment (bit 61) is a part of one value that spans datagrams: of the owner's next entry after
  # the version of `after`, from the offset of `after` on. One entry, no tombstone and no marker;
  # its columns:
  #   gap      only if bit 60 is set, as above; without: 1
  #   key      1 byte: the length of the key, at least 1
  #   value    LEB128: the length of the whole value + 1; the value has 1 to 2^24 - 1 bytes
  #   checksum 8 bytes, the same in each fragment of a value: SipHash-2-4 of the value under the
  #            cluster's key with its first half XORed with the SipHash-2-4 of the key
  #   bytes    the key, then the part of the value, at least one byte: all that follows
  # `upto` is where the part ends: the version of `after` and the offset there. A part that ends the
  # value has that value's version and 0. The version of the value is at most `top`.
}
