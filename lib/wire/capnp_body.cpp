#include "capnp_body.hpp"

#include <cstring>

#include <capnp/any.h>
#include <capnp/message.h>
#include <kj/exception.h>

#include "gossip.capnp.h"

namespace gossipmonger::capnp_body {
namespace {

constexpr std::size_t word_bytes = sizeof(capnp::word);
constexpr int nesting_limit = 8;

// Each word may be read once: that alone bounds the work that aliased pointers can ask for. One
// more, because Cap'n Proto 0.9 charges the root pointer twice.
capnp::ReaderOptions make_options(std::size_t segment_bytes) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = segment_bytes / word_bytes + 1;
  options.nestingLimit = nesting_limit;
  return options;
}

kj::ArrayPtr<const capnp::word> make_segment(const unsigned char* bytes, std::size_t count) {
  return {reinterpret_cast<const capnp::word*>(bytes), count / word_bytes};
}

kj::ArrayPtr<capnp::word> make_room(unsigned char* bytes, std::size_t count) {
  return {reinterpret_cast<capnp::word*>(bytes), count / word_bytes};
}

std::size_t used_bytes(capnp::MessageBuilder& message) {
  return message.getSegmentsForOutput()[0].size() * word_bytes;
}

unsigned char* entry_room(capnp::List<schema::Entry>::Builder entries) {
  return capnp::toAny(entries[0]).getDataSection().begin();
}

// Elements of one list lie at one distance from each other; a later schema may have made it
// larger. False for elements that are shorter than an Entry, which no writer makes.
bool read_entries(capnp::List<schema::Entry>::Reader list, entry_run& entries) {
  entries.count = list.size();
  if (entries.count == 0) return true;
  const kj::ArrayPtr<const capnp::byte> first = capnp::toAny(list[0]).getDataSection();
  if (first.size() < entry_bytes) return false;
  entries.first = first.begin();
  if (entries.count > 1) {
    const capnp::byte* const second = capnp::toAny(list[1]).getDataSection().begin();
    entries.stride = static_cast<std::size_t>(second - first.begin());
  }
  return true;
}

reply_body read_root(schema::Reply::Reader reply) {
  reply_body root;
  root.sender_hash = reply.getSenderHash();
  root.sender_version_and_heartbeat = reply.getSenderVersionAndHeartbeat();
  root.sender_generation_and_heartbeat = reply.getSenderGenerationAndHeartbeat();
  root.receiver_version_and_heartbeat = reply.getReceiverVersionAndHeartbeat();
  root.receiver_generation_and_heartbeat = reply.getReceiverGenerationAndHeartbeat();
  root.receiver_hash_low = reply.getReceiverHashLow();
  root.receiver_instance = reply.getReceiverInstance();
  return root;
}

identity_body read_identity(schema::Identity::Reader reader) {
  identity_body identity;
  identity.generation = reader.getGeneration();
  identity.heartbeat = reader.getHeartbeat();
  identity.instance = reader.getInstance();
  identity.silent_ms = reader.getSilentMs();
  identity.address_high = reader.getAddressHigh();
  identity.address_low = reader.getAddressLow();
  identity.port = reader.getPort();
  const capnp::Data::Reader name = reader.getName();
  identity.name = {name.begin(), name.size()};
  return identity;
}

read_result read_news(schema::News::Reader news, reply_sink& sink) {
  entry_run entries;
  if (!read_entries(news.getEntries(), entries)) return read_result::malformed;
  news_body body;
  body.heartbeat_count = news.getHeartbeatCount();
  body.partial_count = news.getPartialCount();
  body.suspicion_count = news.getSuspicionCount();
  body.refusal = news.getRefusal();
  body.of_root = news.getOfRoot();
  body.sum_bits = news.getSumBits();
  body.sum_part = news.getSumPart();
  if (!sink.take_news(body, entries)) return read_result::field;
  for (const schema::Identity::Reader identity : news.getIdentities()) {
    if (!sink.take_identity(read_identity(identity))) return read_result::field;
  }
  return read_result::ok;
}

read_result read_deltas(capnp::List<schema::Delta>::Reader deltas, reply_sink& sink) {
  for (const schema::Delta::Reader reader : deltas) {
    delta_body delta;
    delta.name_hash = reader.getNameHash();
    delta.generation_and_count = reader.getGenerationAndCount();
    delta.after = reader.getAfter();
    delta.upto = reader.getUpto();
    delta.top = reader.getTop();
    const capnp::Data::Reader columns = reader.getColumns();
    delta.column_bytes = columns.size();
    if (!sink.take_delta(delta, {columns.begin(), columns.size()})) return read_result::field;
  }
  return read_result::ok;
}

void write_news(schema::News::Builder news, reply_source& source) {
  news.setHeartbeatCount(source.news.heartbeat_count);
  news.setPartialCount(source.news.partial_count);
  news.setSuspicionCount(source.news.suspicion_count);
  news.setRefusal(source.news.refusal);
  news.setOfRoot(source.news.of_root);
  news.setSumBits(source.news.sum_bits);
  news.setSumPart(source.news.sum_part);
  if (source.entry_count != 0) {
    source.write_entries(entry_room(news.initEntries(static_cast<unsigned>(source.entry_count))));
  }
  if (source.identity_count == 0) return;
  auto identities = news.initIdentities(static_cast<unsigned>(source.identity_count));
  for (unsigned i = 0; i < identities.size(); ++i) {
    const identity_body identity = source.identity(i);
    schema::Identity::Builder builder = identities[i];
    builder.setGeneration(identity.generation);
    builder.setHeartbeat(identity.heartbeat);
    builder.setInstance(identity.instance);
    builder.setSilentMs(identity.silent_ms);
    builder.setAddressHigh(identity.address_high);
    builder.setAddressLow(identity.address_low);
    builder.setPort(identity.port);
    builder.setName({identity.name.first, identity.name.count});
  }
}

void write_deltas(capnp::List<schema::Delta>::Builder deltas, reply_source& source) {
  for (unsigned i = 0; i < deltas.size(); ++i) {
    const delta_body delta = source.delta(i);
    schema::Delta::Builder builder = deltas[i];
    builder.setNameHash(delta.name_hash);
    builder.setGenerationAndCount(delta.generation_and_count);
    builder.setAfter(delta.after);
    builder.setUpto(delta.upto);
    builder.setTop(delta.top);
    if (delta.column_bytes == 0) continue;
    capnp::Data::Builder columns = builder.initColumns(static_cast<unsigned>(delta.column_bytes));
    source.write_columns(i, columns.begin());
  }
}

}  // namespace

unsigned char* write_digest(unsigned char* segment, std::size_t segment_bytes,
                            const digest_body& body, std::size_t entry_count, std::size_t& used) {
  capnp::FlatMessageBuilder message(make_room(segment, segment_bytes));
  auto digest = message.initRoot<schema::Digest>();
  digest.setLo(body.lo);
  digest.setHi(body.hi);
  digest.setSenderIndex(body.sender_index);
  digest.setReceiverIndex(body.receiver_index);
  digest.setExtraCount(body.extra_count);
  digest.setUnwantedCount(body.unwanted_count);
  digest.setReceiverInstance(body.receiver_instance);
  digest.setPartialCount(body.partial_count);
  digest.setSuspicionCount(body.suspicion_count);
  digest.setInterval(body.interval);
  digest.setLargestReceived(body.largest_received);
  unsigned char* room = segment;
  if (entry_count != 0) room = entry_room(digest.initEntries(static_cast<unsigned>(entry_count)));
  used = used_bytes(message);
  return room;
}

std::size_t write_reply(unsigned char* segment, std::size_t segment_bytes, const reply_body& body,
                        reply_source& source) {
  capnp::FlatMessageBuilder message(make_room(segment, segment_bytes));
  auto reply = message.initRoot<schema::Reply>();
  reply.setSenderHash(body.sender_hash);
  reply.setSenderVersionAndHeartbeat(body.sender_version_and_heartbeat);
  reply.setSenderGenerationAndHeartbeat(body.sender_generation_and_heartbeat);
  reply.setReceiverVersionAndHeartbeat(body.receiver_version_and_heartbeat);
  reply.setReceiverGenerationAndHeartbeat(body.receiver_generation_and_heartbeat);
  reply.setReceiverHashLow(body.receiver_hash_low);
  reply.setReceiverInstance(body.receiver_instance);
  if (source.delta_count != 0) {
    write_deltas(reply.initDeltas(static_cast<unsigned>(source.delta_count)), source);
  }
  const bool is_bare = source.news.refusal == 0 && source.news.of_root == 0;
  if (source.entry_count + source.identity_count != 0 || !is_bare) {
    write_news(reply.initNews(), source);
  }
  return used_bytes(message);
}

read_result read_digest(const unsigned char* segment, std::size_t segment_bytes, digest_body& body,
                        entry_run& entries) try {
  const kj::ArrayPtr<const capnp::word> only = make_segment(segment, segment_bytes);
  capnp::SegmentArrayMessageReader message({&only, 1}, make_options(segment_bytes));
  const auto root = message.getRoot<capnp::AnyPointer>();
  if (root.isNull()) return read_result::malformed;  // else it would read as a Digest of zeros

  const auto digest = root.getAs<schema::Digest>();
  body.lo = digest.getLo();
  body.hi = digest.getHi();
  body.sender_index = digest.getSenderIndex();
  body.receiver_index = digest.getReceiverIndex();
  body.extra_count = digest.getExtraCount();
  body.unwanted_count = digest.getUnwantedCount();
  body.receiver_instance = digest.getReceiverInstance();
  body.partial_count = digest.getPartialCount();
  body.suspicion_count = digest.getSuspicionCount();
  body.interval = digest.getInterval();
  body.largest_received = digest.getLargestReceived();
  return read_entries(digest.getEntries(), entries) ? read_result::ok : read_result::malformed;
} catch (const kj::Exception&) {
  return read_result::malformed;
}

read_result read_reply(const unsigned char* segment, std::size_t segment_bytes,
                       reply_sink& sink) try {
  const kj::ArrayPtr<const capnp::word> only = make_segment(segment, segment_bytes);
  capnp::SegmentArrayMessageReader message({&only, 1}, make_options(segment_bytes));
  const auto root = message.getRoot<capnp::AnyPointer>();
  if (root.isNull()) return read_result::malformed;  // else it would read as a Reply of zeros

  const auto reply = root.getAs<schema::Reply>();
  if (!sink.take_root(read_root(reply))) return read_result::field;
  if (reply.hasNews()) {
    const read_result news = read_news(reply.getNews(), sink);
    if (news != read_result::ok) return news;
  }
  return read_deltas(reply.getDeltas(), sink);
} catch (const kj::Exception&) {
  return read_result::malformed;
}

}  // namespace gossipmonger::capnp_body
