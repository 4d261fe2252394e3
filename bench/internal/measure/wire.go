package measure

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Wire is what has gone over the TCP connections of a process, payload only.
type Wire struct {
	Sent, Received int64 // bytes; of those sent only what the other side has acknowledged
	Connections    int   // that there have been
}

// Meter counts what goes over the TCP connections of a process, by what the kernel knows (inet_diag)
// of each. It costs the process nothing, which a relay in between would. Of a connection that has been closed it
// knows what the last Read saw, so Read has to be called now and then. Of one that the process made
// itself, the kernel counts its SYN as a byte sent.
type Meter struct {
	pid  int
	seen map[uint32]Wire // by inode of the socket
}

// NewMeter makes a Meter of a process.
func NewMeter(pid int) *Meter { return &Meter{pid: pid, seen: map[uint32]Wire{}} }

// Read looks at all connections that there are now.
func (m *Meter) Read() error {
	own, err := sockets(m.pid)
	if err != nil {
		return err
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} { // Java talks IPv4 over sockets of IPv6
		if err := dump(family, func(inode uint32, sent, received uint64) {
			if own[inode] {
				m.seen[inode] = Wire{Sent: int64(sent), Received: int64(received), Connections: 1}
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// Total is what has been seen of all connections.
func (m *Meter) Total() (w Wire) {
	for _, one := range m.seen {
		w.Sent, w.Received, w.Connections = w.Sent+one.Sent, w.Received+one.Received, w.Connections+one.Connections
	}
	return w
}

// sockets are the inodes of the sockets that a process has open.
func sockets(pid int) (map[uint32]bool, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	fds, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read open files: %w", err)
	}
	own := map[uint32]bool{}
	for _, fd := range fds {
		target, err := os.Readlink(filepath.Join(dir, fd.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		text, ok := strings.CutPrefix(target, "socket:[")
		if !ok {
			continue
		}
		inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read open files: %q: %w", target, err)
		}
		own[uint32(inode)] = true
	}
	return own, nil
}

// Sizes and places in the messages of sock_diag(7), and of struct tcp_info.
const (
	sockDiagByFamily = 20
	requestLen       = 56 // inet_diag_req_v2
	headerLen        = 16 // nlmsghdr
	messageLen       = 72 // inet_diag_msg
	inodeAt          = 68 // in it, at its end
	infoAttribute    = 2  // INET_DIAG_INFO
	ackedAt          = 120
	receivedAt       = 128
	established      = 1 << 1
)

// dump asks for all established TCP connections of a family.
func dump(family byte, each func(inode uint32, sent, received uint64)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("open socket for sock_diag: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written that could be lost
	request := make([]byte, headerLen+requestLen)
	le := binary.NativeEndian
	le.PutUint32(request, uint32(len(request)))
	le.PutUint16(request[4:], sockDiagByFamily)
	le.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := request[headerLen:]
	body[0], body[1], body[2] = family, unix.IPPROTO_TCP, 1<<(infoAttribute-1)
	le.PutUint32(body[4:], established)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask for connections: %w", err)
	}
	buf := make([]byte, 256<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return fmt.Errorf("read connections: %w", err)
		}
		done, err := messages(buf[:n], each)
		if done || err != nil {
			return err
		}
	}
}

var errDiag = errors.New("read connections: the kernel's answer is not understood")

// messages reads one datagram. It tells whether it was the last.
func messages(b []byte, each func(inode uint32, sent, received uint64)) (bool, error) {
	le := binary.NativeEndian
	for len(b) >= headerLen {
		length := int(le.Uint32(b))
		if length < headerLen || length > len(b) {
			return false, errDiag
		}
		switch le.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return false, fmt.Errorf("%w: it refuses", errDiag)
		}
		m := b[headerLen:length]
		if len(m) < messageLen {
			return false, errDiag
		}
		info, err := attribute(m[messageLen:], infoAttribute)
		if err != nil {
			return false, err
		}
		if len(info) >= receivedAt+8 {
			each(le.Uint32(m[inodeAt:]), le.Uint64(info[ackedAt:]), le.Uint64(info[receivedAt:]))
		}
		b = b[min(align(length), len(b)):]
	}
	return false, nil
}

// attribute finds one among netlink attributes: length, type, value, padded to four bytes.
func attribute(b []byte, want uint16) ([]byte, error) {
	le := binary.NativeEndian
	for len(b) >= 4 {
		length := int(le.Uint16(b))
		if length < 4 || length > len(b) {
			return nil, errDiag
		}
		if le.Uint16(b[2:]) == want {
			return b[4:length], nil
		}
		b = b[min(align(length), len(b)):]
	}
	return nil, nil
}

func align(n int) int { return (n + 3) &^ 3 }
