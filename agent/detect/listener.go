//go:build linux

package detect

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
	"k8s.io/utils/clock"
)

const (
	// receiveBuffer is how many bytes of events the kernel keeps; it takes twice as much
	// when nobody reads. That is more than 20,000 events: seconds of 3,000 new programs
	// per second, of all of which a kernel before 6.6 tells five times.
	receiveBuffer = 16 << 20

	// answerWithin is how long an answer is waited for. The kernel gives it before the
	// call returns that asks for it.
	answerWithin = 250 * time.Millisecond

	// probePrefix begins the name that a thread of ours has for a moment.
	probePrefix = "5spot-"
)

// Reasons why the kernel does not tell of processes.
var (
	errRefused = errors.New("the kernel does not tell of processes in this network namespace: the host's is needed")
	errSilent  = errors.New("the kernel did not acknowledge the subscription: it needs the host's PID namespace, NET_ADMIN before Linux 6.6, and CONFIG_PROC_EVENTS")
	errDeaf    = errors.New("the kernel acknowledged the subscription, but its events do not arrive")
)

// listener is a subscription to the kernel's proc connector that was proven to work.
type listener struct {
	*queue

	file *os.File
	conn syscall.RawConn

	token        uint32
	acknowledged chan syscall.Errno
	isListening  bool

	self    int
	name    []byte
	proven  chan struct{}
	heard   atomic.Bool
	events  atomic.Int64
	stopped chan struct{}
	err     error // why it stopped; to be read after that
}

// listen subscribes to new programs and new names.
func listen(clk clock.Clock) (source, error) {
	l, err := openListener(receiveBuffer)
	if err != nil {
		return nil, err
	}
	go l.read()
	if err := l.subscribe(clk); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// openListener opens the socket. Nothing is read from it yet.
func openListener(buffer int) (*listener, error) {
	socket, err := nl.Subscribe(unix.NETLINK_CONNECTOR, connectorIndex)
	if err != nil {
		return nil, fmt.Errorf("failed to open a socket of the kernel's proc connector: %w", err)
	}
	defer socket.Close()
	// What NET_ADMIN allows may exceed the limit of the machine.
	if err := socket.SetReceiveBufferSize(buffer, true); err != nil {
		if err := socket.SetReceiveBufferSize(buffer, false); err != nil {
			return nil, fmt.Errorf("failed to enlarge the receive buffer: %w", err)
		}
	}
	// A copy that the runtime polls, and that can be closed while it is read from.
	fd, err := unix.FcntlInt(uintptr(socket.GetFd()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("failed to copy the socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), "proc connector")
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	var token [4]byte
	_, _ = rand.Read(token[:]) // It never fails.
	return &listener{
		queue: newQueue(), file: file, conn: conn, token: binary.NativeEndian.Uint32(token[:]),
		acknowledged: make(chan syscall.Errno, 1), self: os.Getpid(),
		name:   []byte(probePrefix + rand.Text()[:commLength-1-len(probePrefix)]),
		proven: make(chan struct{}, 1), stopped: make(chan struct{}),
	}, nil
}

// subscribe asks for events and proves that they arrive. First it asks for all events,
// which every kernel acknowledges where it can serve them, and nothing else tells that it
// can. Then it asks for what is of use only: kernels before 6.6 do not understand that
// and go on, later ones do not acknowledge it, and some of them become silent.
func (l *listener) subscribe(clk clock.Clock) error {
	if err := l.send(operationListen, everything); err != nil {
		return err
	}
	if err := l.awaitAnswer(clk); err != nil {
		return err
	}
	if err := l.prove(clk); err != nil {
		return err
	}
	for _, filter := range []uint32{eventExec | eventComm, everything} {
		if err := l.send(operationListen, filter); err != nil {
			return err
		}
		if err := l.prove(clk); !errors.Is(err, errDeaf) {
			return err
		}
	}
	return errDeaf
}

// awaitAnswer waits for the kernel's acknowledgement.
func (l *listener) awaitAnswer(clk clock.Clock) error {
	timer := clk.NewTimer(answerWithin)
	defer timer.Stop()
	select {
	case errno := <-l.acknowledged:
		if errno != 0 {
			return fmt.Errorf("the kernel refused the subscription: %w", errno)
		}
		l.isListening = true
		return nil
	case <-l.stopped:
		return l.err
	case <-timer.C():
		return errSilent
	}
}

// prove changes the name of a thread of ours, of which the kernel has to tell.
func (l *listener) prove(clk clock.Clock) error {
	timer := clk.NewTimer(answerWithin)
	defer timer.Stop()
	if err := l.probe(); err != nil {
		return err
	}
	select {
	case <-l.proven:
		return nil
	case <-l.stopped:
		return l.err
	case <-timer.C():
		return errDeaf
	}
}

// send sends a request to the kernel alone.
func (l *listener) send(operation, filter uint32) error {
	var failed error
	err := l.conn.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), request(operation, filter, l.token), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return !errors.Is(failed, unix.EAGAIN)
	})
	if errors.Is(failed, unix.ECONNREFUSED) {
		return errRefused
	}
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("failed to ask the kernel's proc connector: %w", err)
	}
	return nil
}

// probe gives a thread another name for a moment.
func (l *listener) probe() error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before, err := os.ReadFile(threadName)
		if err == nil {
			err = errors.Join(nameThread(l.name), nameThread(before))
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("failed to name a thread: %w", err)
	}
	return nil
}

// threadName is the file of the name of the thread that opens it. It is of the agent's own
// /proc, not of the host's, which it may only read. Writing to it is what prctl does with
// PR_SET_NAME, without a pointer for the kernel.
const threadName = "/proc/thread-self/comm"

func nameThread(name []byte) error {
	file, err := os.OpenFile(threadName, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(bytes.TrimSuffix(name, []byte{'\n'}))
	return errors.Join(err, file.Close())
}

// beat is whether anything was heard since the last one. A probe sees to it that there
// is something to hear until the next.
func (l *listener) beat() bool {
	heard := l.heard.Swap(false)
	return l.probe() == nil && heard
}

// received is how many events arrived since the last call.
func (l *listener) received() int { return int(l.events.Swap(0)) }

func (l *listener) changes() *queue { return l.queue }

// ended is closed when nothing can be read any more.
func (l *listener) ended() <-chan struct{} { return l.stopped }

// close ends the subscription and waits until nothing is read any more. A kernel before
// 6.6 does not notice otherwise.
func (l *listener) close() {
	if l.isListening {
		// It is closed in any case.
		_ = l.send(operationIgnore, everything)
	}
	_ = l.file.Close()
	<-l.stopped
}

// read drains the socket into the queue until it is closed.
func (l *listener) read() {
	defer close(l.stopped)
	buffer := make([]byte, os.Getpagesize())
	var failed error
	err := l.conn.Read(func(fd uintptr) bool {
		failed = l.drain(int(fd), buffer)
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err == nil {
		err = failed
	}
	l.err = fmt.Errorf("failed to receive from the kernel's proc connector: %w", err)
}

// drain reads until the socket is empty.
func (l *listener) drain(fd int, buffer []byte) error {
	for {
		n, from, err := unix.Recvfrom(fd, buffer, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOBUFS):
			l.lose()
		case err != nil:
			return err
		default:
			// Others may send, too.
			if sender, ok := from.(*unix.SockaddrNetlink); ok && sender.Pid == 0 {
				decode(buffer[:n], l.take)
			}
		}
	}
}

// take keeps what tells of a process that may match now. That a thread other than the
// first changes its name is no change of the process.
func (l *listener) take(m message) {
	if m.what == eventNone {
		if m.ack == l.token+1 {
			offer(l.acknowledged, syscall.Errno(m.thread))
		}
		return
	}
	l.events.Add(1)
	l.heard.Store(true)
	switch {
	case int(m.process) == l.self:
		if m.what == eventComm && bytes.Equal(bytes.TrimRight(m.comm, "\x00"), l.name) {
			offer(l.proven, struct{}{})
		}
	case m.what == eventExec, m.what == eventComm && m.thread == m.process:
		l.put(change{pid: int(m.process), at: m.at})
	}
}

// offer sends unless something waits already.
func offer[T any](to chan<- T, what T) {
	select {
	case to <- what:
	default:
	}
}
