//go:build linux

package detect

import (
	"encoding/binary"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The kernel's side is in linux/connector.h and linux/cn_proc.h.
const (
	connectorIndex = 1 // CN_IDX_PROC, which is also the multicast group
	connectorValue = 1 // CN_VAL_PROC

	operationListen uint32 = 1
	operationIgnore uint32 = 2

	eventNone uint32 = 0 // the answer to a request
	eventExec uint32 = 2
	eventComm uint32 = 0x200

	everything uint32 = 0

	// Sizes and offsets, in bytes: the header of connector.h, the head of an event, and
	// what follows it.
	connectorHeader = 20
	eventHead       = 16
	eventTime       = 8
	commLength      = 16
)

// message is one event of the kernel.
type message struct {
	what uint32
	// ack is the request's plus one, in an answer.
	ack uint32
	// at is nanoseconds of the monotonic clock.
	at uint64
	// thread and process are kernel.pid and kernel.tgid; in an answer thread is the
	// error number.
	thread, process uint32
	// comm is the new name, in an event of its change.
	comm []byte
}

// request is what asks the kernel for events, or to stop. With a filter it asks for these
// only, which kernels before 6.6 leave without effect.
func request(operation, filter, token uint32) []byte {
	body := nl.NewCnMsg(connectorIndex, connectorValue, operation)
	body.Ack = token
	req := nl.NewNetlinkRequest(unix.NLMSG_DONE, 0)
	req.AddData(body)
	if filter != everything {
		const size = 4
		req.AddRawData(binary.NativeEndian.AppendUint32(nil, filter))
		body.Length += size
	}
	return req.Serialize()
}

// decode yields the events of a datagram. What is cut or of somebody else is left out.
func decode(datagram []byte, each func(message)) {
	native := binary.NativeEndian
	for len(datagram) >= unix.SizeofNlMsghdr {
		length := int(native.Uint32(datagram))
		if length < unix.SizeofNlMsghdr || length > len(datagram) {
			return
		}
		if m, ok := decodeEvent(datagram[unix.SizeofNlMsghdr:length]); ok {
			each(m)
		}
		aligned := (length + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1)
		datagram = datagram[min(aligned, len(datagram)):]
	}
}

func decodeEvent(body []byte) (message, bool) {
	native := binary.NativeEndian
	if len(body) < connectorHeader || native.Uint32(body) != connectorIndex || native.Uint32(body[4:]) != connectorValue {
		return message{}, false
	}
	event := body[connectorHeader:]
	if length := int(native.Uint16(body[16:])); length < len(event) {
		event = event[:length]
	}
	const processEnd, commEnd = eventHead + 8, eventHead + 8 + commLength
	if len(event) < processEnd {
		return message{}, false
	}
	m := message{
		what: native.Uint32(event), ack: native.Uint32(body[12:]), at: native.Uint64(event[eventTime:]),
		thread: native.Uint32(event[eventHead:]), process: native.Uint32(event[eventHead+4:]),
	}
	if m.what == eventComm {
		if len(event) < commEnd {
			return message{}, false
		}
		m.comm = event[processEnd:commEnd]
	}
	return m, true
}
