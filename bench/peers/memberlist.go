// The load of bench/cluster on memberlist: N members in this process over loopback, updates that
// travel as broadcasts, one JSON object with the same names at the end.
//
// A memberlist holds no keys and passes no broadcast on. So each member here keeps a map and queues
// anew each update that was news to it, as programs on memberlist do.
package main

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io/ioutil"
	"log"
	"math/rand"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

var (
	begin        = time.Now()
	isMeasured   int32 // whether deliveries count
	packets      int64
	packetBytes  int64
	delivered    int64
	latenciesMu  sync.Mutex
	latencies    []float64 // ms
	detectionsMu sync.Mutex
	detections   []float64 // s
)

// counting is memberlist's own transport; it counts the datagrams.
type counting struct{ *memberlist.NetTransport }

func (c *counting) WriteTo(b []byte, addr string) (time.Time, error) {
	atomic.AddInt64(&packets, 1)
	atomic.AddInt64(&packetBytes, int64(len(b)))
	return c.NetTransport.WriteTo(b, addr)
}

func (c *counting) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	atomic.AddInt64(&packets, 1)
	atomic.AddInt64(&packetBytes, int64(len(b)))
	return c.NetTransport.WriteToAddress(b, a)
}

type update struct{ bytes []byte }

func (u *update) Invalidates(memberlist.Broadcast) bool { return false }
func (u *update) Message() []byte                       { return u.bytes }
func (u *update) Finished()                             {}

type member struct {
	list  *memberlist.Memberlist
	queue *memberlist.TransmitLimitedQueue
	mu    sync.Mutex
	held  map[string]uint64 // key -> number of the update
	gone  map[string]time.Time
}

func (m *member) NodeMeta(int) []byte { return nil }

// NotifyMsg: 8 bytes number, 8 bytes due, 20 bytes key, the rest is the value.
func (m *member) NotifyMsg(b []byte) {
	number, due := binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))
	key := string(b[16:36])
	m.mu.Lock()
	isNews := m.held[key] < number
	if isNews {
		m.held[key] = number
	}
	m.mu.Unlock()
	if !isNews {
		return
	}
	m.queue.QueueBroadcast(&update{append([]byte(nil), b...)})
	if atomic.LoadInt32(&isMeasured) == 1 {
		atomic.AddInt64(&delivered, 1)
		ms := float64(time.Since(begin).Nanoseconds()-due) / 1e6
		latenciesMu.Lock()
		latencies = append(latencies, ms)
		latenciesMu.Unlock()
	}
}

func (m *member) GetBroadcasts(overhead, limit int) [][]byte {
	return m.queue.GetBroadcasts(overhead, limit)
}
func (m *member) LocalState(bool) []byte        { return nil }
func (m *member) MergeRemoteState([]byte, bool) {}

func (m *member) NotifyJoin(*memberlist.Node)   {}
func (m *member) NotifyUpdate(*memberlist.Node) {}
func (m *member) NotifyLeave(n *memberlist.Node) {
	m.mu.Lock()
	at, isExpected := m.gone[n.Name]
	m.mu.Unlock()
	if !isExpected {
		return
	}
	detectionsMu.Lock()
	detections = append(detections, time.Since(at).Seconds())
	detectionsMu.Unlock()
}

func cpu() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	of := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)*1e-6 }
	return of(used.Utime) + of(used.Stime)
}

func quantile(sorted []float64, part float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := int(part * float64(len(sorted)))
	if at >= len(sorted) {
		at = len(sorted) - 1
	}
	return sorted[at]
}

func makeMember(number int, interval time.Duration) *member {
	m := &member{held: map[string]uint64{}, gone: map[string]time.Time{}}
	settings := memberlist.DefaultLANConfig()
	settings.Name = fmt.Sprintf("n%d", number)
	settings.BindAddr = "127.0.0.1"
	settings.BindPort = 0
	if interval > 0 {
		settings.GossipInterval = interval
	}
	settings.Logger = log.New(ioutil.Discard, "", 0)
	settings.Delegate, settings.Events = m, m
	transport, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
		BindAddrs: []string{"127.0.0.1"}, Logger: settings.Logger})
	if err != nil {
		log.Fatal(err)
	}
	settings.BindPort = transport.GetAutoBindPort()
	settings.AdvertisePort = settings.BindPort
	settings.Transport = &counting{transport}
	m.queue = &memberlist.TransmitLimitedQueue{
		RetransmitMult: settings.RetransmitMult,
		NumNodes:       func() int { return m.list.NumMembers() }}
	m.list, err = memberlist.Create(settings)
	if err != nil {
		log.Fatal(err)
	}
	return m
}

func main() {
	nodes := flag.Int("nodes", 20, "")
	rate := flag.Int("rate", 500, "updates a second; 0: none")
	intervalMs := flag.Int("interval-ms", 0, "0: memberlist's default")
	seconds := flag.Float64("seconds", 5, "")
	crashes := flag.Int("crashes", 0, "")
	flag.Parse()
	log.SetFlags(0)

	var members []*member
	for i := 0; i < *nodes; i++ {
		members = append(members, makeMember(i, time.Duration(*intervalMs)*time.Millisecond))
	}
	seed := fmt.Sprintf("127.0.0.1:%d", members[0].list.LocalNode().Port)
	for _, m := range members[1:] {
		if _, err := m.list.Join([]string{seed}); err != nil {
			log.Fatal(err)
		}
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		met := 0
		for _, m := range members {
			if m.list.NumMembers() == *nodes {
				met++
			}
		}
		if met == *nodes {
			break
		}
		if time.Now().After(end) {
			log.Fatalf("memberlist: %d of %d members have met after 30 s", met, *nodes)
		}
	}

	time.Sleep(3 * time.Second) // what the joins queued is sent
	restCPU, restBytes, restPackets := cpu(), atomic.LoadInt64(&packetBytes), atomic.LoadInt64(&packets)
	time.Sleep(time.Second)
	restCPU, restBytes = cpu()-restCPU, atomic.LoadInt64(&packetBytes)-restBytes
	restPackets = atomic.LoadInt64(&packets) - restPackets

	atomic.StoreInt32(&isMeasured, 1)
	noise := make([]byte, 64)
	rand.New(rand.NewSource(1)).Read(noise) // so that compression gains nothing that it should not
	total := int(float64(*rate) * *seconds)
	loadCPU, loadBytes, loadBegin := cpu(), atomic.LoadInt64(&packetBytes), time.Now()
	for i := 0; i < total; i++ {
		due := loadBegin.Add(time.Duration(float64(i) / float64(*rate) * 1e9))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		writer := members[i%*nodes]
		b := make([]byte, 16, 86)
		binary.LittleEndian.PutUint64(b, uint64(i+1))
		binary.LittleEndian.PutUint64(b[8:], uint64(due.Sub(begin).Nanoseconds()))
		b = append(b, fmt.Sprintf("n%04d/key/%010d", i%*nodes, i)...)
		b = append(b, noise[:50]...)
		key := string(b[16:36])
		writer.mu.Lock()
		writer.held[key] = uint64(i + 1)
		writer.mu.Unlock()
		writer.queue.QueueBroadcast(&update{b})
	}
	wall := time.Since(loadBegin).Seconds()
	loadCPU, loadBytes = cpu()-loadCPU, atomic.LoadInt64(&packetBytes)-loadBytes
	inLoad := atomic.LoadInt64(&delivered)
	due := int64(total * (*nodes - 1))
	for end := time.Now().Add(3 * time.Second); atomic.LoadInt64(&delivered) < due && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}

	if *crashes > 0 {
		now := time.Now()
		for _, victim := range members[len(members)-*crashes:] {
			for _, m := range members {
				m.mu.Lock()
				m.gone[victim.list.LocalNode().Name] = now
				m.mu.Unlock()
			}
			if err := victim.list.Shutdown(); err != nil { // without a word to the others
				log.Fatal(err)
			}
		}
		pairs := (*nodes - *crashes) * *crashes
		for end := now.Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			detectionsMu.Lock()
			isDone := len(detections) >= pairs
			detectionsMu.Unlock()
			if isDone {
				break
			}
		}
	}

	latenciesMu.Lock()
	sort.Float64s(latencies)
	latenciesMu.Unlock()
	detectionsMu.Lock()
	sort.Float64s(detections)
	detectionsMu.Unlock()
	report := map[string]interface{}{
		"nodes": *nodes, "rate": *rate, "seconds": wall,
		"p50_ms": quantile(latencies, 0.5), "p99_ms": quantile(latencies, 0.99),
		"p999_ms": quantile(latencies, 0.999), "delivered": atomic.LoadInt64(&delivered),
		"deliveries_due": due, "cores": loadCPU / wall, "cores_at_rest": restCPU,
		"bytes_a_node_second":           float64(loadBytes) / wall / float64(*nodes),
		"bytes_a_node_second_at_rest":   float64(restBytes) / float64(*nodes),
		"packets_a_node_second_at_rest": float64(restPackets) / float64(*nodes),
		"detections":                    len(detections),
		"detection_p50_s":               quantile(detections, 0.5), "detection_max_s": quantile(detections, 1),
	}
	if inLoad > 0 {
		report["cpu_us_a_delivery"] = loadCPU * 1e6 / float64(inLoad)
	}
	if due > 0 {
		report["delivered_percent"] = 100 * float64(atomic.LoadInt64(&delivered)) / float64(due)
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		log.Fatal(err)
	}
}
