// The load of bench/cluster on the ancestor, the npm package gossipmonger: N peers in this process
// over its own TCP transport on loopback; one JSON object with the same names at the end.
//
// The ancestor tells of a peer only by its own digests, and sends 5 deltas an exchange by default.
// With these it cannot carry the load, so MAX_DELTAS_PER_GOSSIP is 1,000 here.
'use strict';

const net = require('net');
const Gossipmonger = require('gossipmonger');
const TcpTransport = require('gossipmonger-tcp-transport');

const options = {nodes: 20, rate: 500, 'interval-ms': 1000, seconds: 5, deltas: 1000};
for (let i = 2; i + 1 < process.argv.length; i += 2) {
  options[process.argv[i].slice(2)] = Number(process.argv[i + 1]);
}
const {nodes, rate, seconds} = options;

const now = () => Number(process.hrtime.bigint()) / 1e6;  // ms
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const cpu = () => {
  const used = process.cpuUsage();
  return (used.user + used.system) / 1e6;
};

// The bytes that its transport sends, which are all written by `end`.
let bytes = 0;
const end = net.Socket.prototype.end;
net.Socket.prototype.end = function(data, ...rest) {
  if (typeof data === 'string') bytes += Buffer.byteLength(data);
  return end.call(this, data, ...rest);
};

let isMeasured = false;
let delivered = 0;
const latencies = [];

async function main() {
  const base = 20000 + Math.floor(Math.random() * 20000);
  const seed = {id: 'n0', transport: {host: '127.0.0.1', port: base}};
  const peers = [];
  for (let i = 0; i < nodes; ++i) {
    const where = {host: '127.0.0.1', port: base + i};
    const transport = new TcpTransport(where);
    await new Promise((done, failed) => {
      transport.once('error', failed);
      transport.listen(done);
    });
    transport.removeAllListeners('error');
    const peer = new Gossipmonger({id: 'n' + i, transport: where}, {
      GOSSIP_INTERVAL: options['interval-ms'], MAX_DELTAS_PER_GOSSIP: options.deltas,
      MINIMUM_LIVE_PEERS: 1, seeds: [seed], transport});
    peer.on('error', () => {});
    peer.on('update', (id, key, value) => {
      if (!isMeasured) return;
      ++delivered;
      latencies.push(now() - Number(value.split(' ')[0]));
    });
    peers.push(peer);
  }
  for (const peer of peers) {
    peer.gossip();
    await wait(options['interval-ms'] / nodes);
  }
  const limit = now() + 30000;
  const met = () => peers.filter((p) => Object.keys(p.storage.storage).length >= nodes - 1).length;
  while (met() < nodes && now() < limit) await wait(50);
  const isMet = met() === nodes;

  let restCpu = cpu(), restBytes = bytes;
  await wait(1000);
  restCpu = cpu() - restCpu;
  restBytes = bytes - restBytes;

  isMeasured = true;
  const total = Math.floor(rate * seconds);
  const begin = now(), cpuBefore = cpu(), bytesBefore = bytes;
  for (let i = 0; i < total; ++i) {
    const due = begin + i * 1000 / rate;
    if (due > now()) await wait(due - now());
    const key = `key/${String(i).padStart(16, '0')}`;
    peers[i % nodes].update(key, `${due.toFixed(3)} `.padEnd(50, 'v'));
  }
  await wait(begin + seconds * 1000 - now());
  const wall = (now() - begin) / 1000, used = cpu() - cpuBefore, inLoad = delivered;
  const loadBytes = bytes - bytesBefore;
  const due = total * (nodes - 1);
  for (const end = now() + 3000; delivered < due && now() < end;) await wait(20);

  latencies.sort((a, b) => a - b);
  const quantile = (part) =>
      latencies.length ? latencies[Math.min(latencies.length - 1,
                                            Math.floor(part * latencies.length))] : 0;
  console.log(JSON.stringify({
    nodes, rate, seconds: wall, is_met: isMet, p50_ms: quantile(0.5), p99_ms: quantile(0.99),
    p999_ms: quantile(0.999), delivered, deliveries_due: due,
    delivered_percent: due ? 100 * delivered / due : 0, cores: used / wall,
    cores_at_rest: restCpu, cpu_us_a_delivery: inLoad ? used * 1e6 / inLoad : 0,
    bytes_a_node_second: loadBytes / wall / nodes,
    bytes_a_node_second_at_rest: restBytes / nodes,
  }));
  process.exit(0);
}

main().catch((error) => {
  console.error(`ancestor_cluster: ${error.message}`);
  process.exit(1);
});
