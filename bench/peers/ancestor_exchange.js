// The exchanges of bench/reconcile_bench on the ancestor, the npm package gossipmonger: two peers in
// this process, nothing in between but its own JSON. One JSON object with seconds of CPU at the end.
//
// MAX_DELTAS_PER_GOSSIP is raised, so that an exchange carries all; setting up is not timed.
'use strict';

const events = require('events');
const Gossipmonger = require('gossipmonger');

const makeKey = (i) => 'service/' + String(i).padStart(12, '0');
const makeValue = (i) => String(i).padEnd(50, 'v');

let wireBytes = 0;

/** Hands what one peer sends to the other as the text that its TCP transport would write. */
class Link extends events.EventEmitter {
  constructor() {
    super();
    this.queue = [];
  }
  digest(remote, local, digest) { this.push({digest, sender: {id: local.id}}); }
  deltas(remote, local, deltas) { this.push({deltas, sender: {id: local.id}}); }
  push(message) {
    const text = JSON.stringify(message) + '\r\n';
    wireBytes += Buffer.byteLength(text);
    this.queue.push(text);
  }
  carryTo(other) {
    for (const text of this.queue.splice(0)) {
      const message = JSON.parse(text);
      other.emit(message.digest ? 'digest' : 'deltas', message.sender,
                 message.digest || message.deltas);
    }
  }
}

function makePair() {
  const pair = ['one', 'two'].map((id) => {
    const transport = new Link();
    const peer = new Gossipmonger({id, transport: {host: 'localhost', port: 1}},
                                  {MAX_DELTAS_PER_GOSSIP: 1e9, transport});
    return {peer, transport};
  });
  return pair;
}

/** `from` tells its digest of all that it holds, and gets what the other has that is newer. */
function exchange(from, to) {
  const digest = from.peer.digest(from.peer.storage.livePeers());
  from.transport.digest(to.peer.localPeer, from.peer.localPeer, digest);
  from.transport.carryTo(to.transport);
  to.transport.carryTo(from.transport);
}

const cpu = () => {
  const used = process.cpuUsage();
  return (used.user + used.system) / 1e6;
};

/** The median of `runs` calls of `work`, which returns seconds. */
function median(runs, work) {
  const all = [];
  for (let i = 0; i < runs; ++i) all.push(work());
  return all.sort((a, b) => a - b)[Math.floor(runs / 2)];
}

function timed(work) {
  const begin = cpu();
  work();
  return cpu() - begin;
}

const report = {};

const count = 10000;
report.full_sync_seconds = median(3, () => {
  const [one, two] = makePair();
  for (let i = 0; i < count; ++i) one.peer.update(makeKey(i), makeValue(i));
  exchange(one, two);  // they meet
  exchange(two, one);
  const fresh = makePair();
  fresh[0].peer.localPeer.data = one.peer.localPeer.data;
  fresh[0].peer.localPeer.maxVersionSeen = count;
  exchange(fresh[0], fresh[1]);
  wireBytes = 0;
  const seconds = timed(() => exchange(fresh[1], fresh[0]));
  const copy = fresh[1].peer.storage.get('one');
  if (Object.keys(copy.data).length !== count) throw new Error('not all entries came');
  return seconds;
});
report.full_sync_kv_per_second = count / report.full_sync_seconds;
report.wire_bytes_per_payload_byte = wireBytes / (count * 70);

{
  const keys = 100000;
  const [one, two] = makePair();
  if (global.gc) global.gc();
  const heapBefore = process.memoryUsage().heapUsed;
  for (let i = 0; i < keys; ++i) one.peer.update(makeKey(i), makeValue(i));
  exchange(one, two);
  exchange(two, one);
  if (global.gc) global.gc();
  report.bytes_per_key_of_both = (process.memoryUsage().heapUsed - heapBefore) / keys;
  let run = 0;
  report.ten_fresh_seconds = median(9, () => {
    ++run;
    for (let i = 0; i < 10; ++i) {
      const key = (run * 7919 + i * 9973) % keys;
      one.peer.update(makeKey(key), makeValue(key + run));
    }
    return timed(() => exchange(two, one));
  });
  if (two.peer.storage.get('one').maxVersionSeen !== one.peer.localPeer.maxVersionSeen) {
    throw new Error('not all entries came');
  }
}

{
  const [one, two] = makePair();
  const others = [];
  for (let i = 0; i < 999; ++i) {
    others.push({id: 'peer-' + i, maxVersionSeen: 0, transport: {host: '10.1.0.1', port: 7000}});
  }
  for (const to of [one, two]) {
    to.transport.emit('digest', {id: to === one ? 'two' : 'one'},
                      JSON.parse(JSON.stringify(others)));
    to.transport.queue.splice(0);
  }
  exchange(one, two);
  exchange(two, one);
  report.idle_exchange_seconds = timed(() => {
    for (let i = 0; i < 200; ++i) exchange(one, two);
  }) / 200;
}

console.log(JSON.stringify(report));
process.exit(0);
