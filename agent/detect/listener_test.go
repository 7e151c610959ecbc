//go:build linux

package detect

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
	"k8s.io/utils/clock"
)

// event is a datagram as the kernel sends it.
func event(what, ack, first, second uint32, rest string) []byte {
	native := binary.NativeEndian
	head := native.AppendUint32(nil, what)
	head = native.AppendUint32(head, 3)         // the CPU
	head = native.AppendUint64(head, 1_000_000) // the time
	head = native.AppendUint32(head, first)
	head = native.AppendUint32(head, second)
	head = append(head, rest...)
	// An event has the size of the largest kind.
	head = append(head, make([]byte, max(0, 40-len(head)))...)

	var b []byte
	for _, field := range []uint32{uint32(16 + 20 + len(head)), unix.NLMSG_DONE, 0, 0, 1, 1, 0, ack} {
		b = native.AppendUint32(b, field)
	}
	b = native.AppendUint16(b, uint16(len(head)))
	b = native.AppendUint16(b, 0)
	return append(b, head...)
}

const comm16 = "idea\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func TestDecode(t *testing.T) {
	t.Parallel()
	exec := event(eventExec, 0, 7, 7, "")
	comm := event(eventComm, 0, 8, 7, comm16)
	wantExec := message{what: eventExec, at: 1_000_000, thread: 7, process: 7}
	wantComm := message{what: eventComm, at: 1_000_000, thread: 8, process: 7, comm: []byte(comm16)}
	changed := func(datagram []byte, at int, to byte) []byte {
		datagram = append([]byte(nil), datagram...)
		datagram[at] = to
		return datagram
	}
	for name, test := range map[string]struct {
		datagram []byte
		want     []message
	}{
		"a new program":                     {exec, []message{wantExec}},
		"a new name":                        {comm, []message{wantComm}},
		"an answer":                         {event(eventNone, 9, 1, 0, ""), []message{{ack: 9, at: 1_000_000, thread: 1}}},
		"several at once":                   {append(append([]byte(nil), exec...), comm...), []message{wantExec, wantComm}},
		"nothing":                           {nil, nil},
		"the beginning of a header":         {exec[:15], nil},
		"a header only":                     {exec[:16], nil},
		"the beginning of an event":         {exec[:50], nil},
		"a length that is too large":        {changed(exec, 0, 0xff), nil},
		"a length that is too small":        {changed(exec, 0, 15), nil},
		"a length of the header alone":      {changed(exec, 0, 16), nil},
		"another sender in the kernel":      {changed(exec, 16, 2), nil},
		"another kind of the same sender":   {changed(exec, 20, 2), nil},
		"an event that is cut":              {changed(exec, 32, 23), nil},
		"an event that is just long enough": {changed(exec, 32, 24), []message{wantExec}},
		"a name that is cut":                {changed(comm, 32, 39), nil},
		"a length of the event too large":   {changed(exec, 33, 0xff), []message{wantExec}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []message
			decode(test.datagram, func(m message) { got = append(got, m) })
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(message{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(event(eventExec, 0, 7, 7, ""))
	f.Add(event(eventComm, 0, 8, 7, comm16))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		decode(datagram, func(m message) {
			if m.what == eventComm && len(m.comm) != commLength {
				t.Fatal(m)
			}
		})
	})
}

func TestOnlyWhatCanMatchIsKept(t *testing.T) {
	t.Parallel()
	const fork, exit uint32 = 1, 0x80000000
	self := uint32(os.Getpid())
	for name, test := range map[string]struct {
		datagram []byte
		want     []change
		heard    bool
		answers  int
		proves   int
	}{
		"a new program":                {event(eventExec, 0, 7, 7, ""), []change{{7, 1_000_000}}, true, 0, 0},
		"a new name of a process":      {event(eventComm, 0, 7, 7, comm16), []change{{7, 1_000_000}}, true, 0, 0},
		"a new name of another thread": {event(eventComm, 0, 8, 7, comm16), nil, true, 0, 0},
		"a copy, which is as it was":   {event(fork, 0, 7, 7, ""), nil, true, 0, 0},
		"an end":                       {event(exit, 0, 7, 7, ""), nil, true, 0, 0},
		"a new name of the agent":      {event(eventComm, 0, self, self, comm16), nil, true, 0, 1},
		"an answer to somebody else":   {event(eventNone, 1, 1, 0, ""), nil, false, 0, 0},
		"an answer is not an event":    {event(eventNone, 6, 0, 0, ""), nil, false, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			l := &listener{queue: newQueue(), token: 5, self: os.Getpid(), name: []byte("idea"), acknowledged: make(chan unix.Errno, 1), proven: make(chan struct{}, 1)}
			decode(test.datagram, l.take)
			changes, lost := l.queue.take(nil)
			g.Expect(changes).To(HaveExactElements(anything(test.want)...))
			g.Expect(lost).To(BeZero())
			g.Expect(l.heard.Load()).To(Equal(test.heard))
			g.Expect(l.acknowledged).To(HaveLen(test.answers))
			g.Expect(l.proven).To(HaveLen(test.proves))
		})
	}
}

func anything(changes []change) []any {
	var all []any
	for _, c := range changes {
		all = append(all, c)
	}
	return all
}

func TestRequestsHaveTheFormOfTheKernel(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	native := binary.NativeEndian
	short, long := request(1, everything, 7), request(1, eventExec|eventComm, 7)
	g.Expect(short).To(HaveLen(16 + 20 + 4))
	g.Expect(long).To(HaveLen(16 + 20 + 8))
	for _, b := range [][]byte{short, long} {
		g.Expect(native.Uint32(b)).To(BeEquivalentTo(len(b)))
		g.Expect(native.Uint32(b[28:])).To(BeEquivalentTo(7))
		g.Expect(native.Uint16(b[32:])).To(BeEquivalentTo(len(b) - 36))
		g.Expect(native.Uint32(b[36:])).To(BeEquivalentTo(operationListen))
	}
	g.Expect(native.Uint32(long[40:])).To(BeEquivalentTo(0x202))
}

func TestASubscriptionIsProvenAndGoesOnTellingOfUs(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	needsEvents(t)
	from, err := listen(clock.RealClock{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(from.beat()).To(BeTrue(), "the proof was heard")
	g.Eventually(from.beat).Should(BeTrue(), "the probe of the last beat was heard")
	g.Expect(from.received()).To(BeNumerically(">", 0))
	from.close()
	g.Expect(from.ended()).To(BeClosed())
	g.Expect(from.beat()).To(Or(BeTrue(), BeFalse()))
	g.Expect(from.beat()).To(BeFalse(), "nothing is heard any more")
}

func TestASubscriptionThatIsNotReadIsNotProven(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	needsEvents(t)
	l, err := openListener(receiveBuffer)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(l.subscribe(clock.RealClock{})).To(MatchError(errSilent))
	go l.read()
	g.Eventually(l.acknowledged).Should(Receive(BeZero()))
	l.isListening = true
	l.close()
	g.Expect(l.err).To(HaveOccurred())
	g.Expect(l.prove(clock.RealClock{})).To(MatchError(l.err))
}

func TestAFullBufferIsNoticed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	needsEvents(t)
	l, err := openListener(1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(l.send(operationListen, everything)).To(Succeed())
	for range 100 {
		g.Expect(l.probe()).To(Succeed())
	}
	go l.read()
	g.Eventually(l.filled).Should(Receive())
	_, lost := l.queue.take(nil)
	g.Expect(lost).To(BeNumerically(">", 0))
	l.isListening = true
	l.close()
}

func TestAProbeLeavesTheNameOfItsThread(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	needsEvents(t)
	l, err := openListener(receiveBuffer)
	g.Expect(err).NotTo(HaveOccurred())
	go l.read()
	defer l.close()
	before, err := os.ReadFile("/proc/self/comm")
	g.Expect(err).NotTo(HaveOccurred())
	for range 50 {
		g.Expect(l.probe()).To(Succeed())
	}
	tasks, err := os.ReadDir("/proc/self/task")
	g.Expect(err).NotTo(HaveOccurred())
	for _, task := range tasks {
		name, err := os.ReadFile("/proc/self/task/" + task.Name() + "/comm")
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue
		}
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(name)).NotTo(ContainSubstring(string(l.name)))
	}
	g.Expect(os.ReadFile("/proc/self/comm")).To(Equal(before))
}

func TestAQueueKeepsWhatItCanAndCountsTheRest(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	q := newQueue()
	for i := range maxQueued {
		q.put(change{pid: i})
	}
	g.Expect(q.filled).To(Receive())
	changes, lost := q.take(nil)
	g.Expect(changes).To(HaveLen(maxQueued))
	g.Expect(lost).To(BeZero())
	for i := range maxQueued + 2 {
		q.put(change{pid: i})
	}
	changes, lost = q.take(changes)
	g.Expect(changes).To(Equal([]change{{pid: maxQueued}, {pid: maxQueued + 1}}))
	g.Expect(lost).To(Equal(1))
	changes, lost = q.take(changes)
	g.Expect(changes).To(BeEmpty())
	g.Expect(lost).To(BeZero())
}

func TestLatencyIsNotNegative(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	g.Expect(since(1 << 62)).To(BeZero())
	g.Expect(since(0)).To(BeNumerically(">", time.Millisecond))
}
