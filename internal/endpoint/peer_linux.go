package endpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerUID asks the kernel, by the exact pair of addresses, which user owns the
// socket at the other end of a loopback connection (sock_diag(7), request
// SOCK_DIAG_BY_FAMILY without NLM_F_DUMP: one lookup in the hash of
// established connections, not a walk over all sockets).
func peerUID(conn net.Conn) (uint32, error) {
	uid, err := ask(conn)
	if errors.Is(err, errNoSuch) && !tells() {
		return 0, errUnseen // "no such socket" is also what a kernel without tcp_diag says
	}
	return uid, err
}

var errNoSuch = errors.New("the connection is gone")

func ask(conn net.Conn) (uint32, error) {
	ours, ok1 := conn.LocalAddr().(*net.TCPAddr)
	theirs, ok2 := conn.RemoteAddr().(*net.TCPAddr)
	if !ok1 || !ok2 || ours.IP.To4() == nil || theirs.IP.To4() == nil {
		return 0, errUnseen
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, errUnseen
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, question(theirs, ours), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, errUnseen
	}
	// The kernel answers before sendto returns; the timeout is for one that
	// doesn't.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return 0, errUnseen
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return 0, errUnseen
	}
	return uidOf(answer[:n])
}

// tells reports whether this kernel answers at all, by a connection to
// ourselves whose user we know.
func tells() bool {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return false
	}
	defer listener.Close()
	client, err := net.DialTCP("tcp4", nil, listener.Addr().(*net.TCPAddr))
	if err != nil {
		return false
	}
	defer client.Close()
	conn, err := listener.AcceptTCP()
	if err != nil {
		return false
	}
	defer conn.Close()
	uid, err := ask(conn)
	return err == nil && uid == uint32(os.Getuid())
}

// The layout of <linux/inet_diag.h>: inet_diag_req_v2 is 56 bytes, inet_diag_msg
// 72. Ports and addresses are in network order, the rest in the machine's.
const (
	requestSize  = 56
	messageSize  = 72
	stateAt      = 1
	uidAt        = 64
	established  = 1
	anyState     = 0xffffffff
	anyCookie    = 0xffffffff
	byFamily     = 20 // SOCK_DIAG_BY_FAMILY
	headerLength = unix.SizeofNlMsghdr
)

// question asks for the socket whose own address is local and whose peer is
// remote.
func question(local, remote *net.TCPAddr) []byte {
	b := make([]byte, headerLength+requestSize)
	order := binary.NativeEndian
	order.PutUint32(b[0:], uint32(len(b)))
	order.PutUint16(b[4:], byFamily)
	order.PutUint16(b[6:], unix.NLM_F_REQUEST)
	r := b[headerLength:]
	r[0], r[1] = unix.AF_INET, unix.IPPROTO_TCP
	order.PutUint32(r[4:], anyState)
	binary.BigEndian.PutUint16(r[8:], uint16(local.Port))
	binary.BigEndian.PutUint16(r[10:], uint16(remote.Port))
	copy(r[12:16], local.IP.To4())
	copy(r[28:32], remote.IP.To4())
	order.PutUint32(r[48:], anyCookie)
	order.PutUint32(r[52:], anyCookie)
	return b
}

// uidOf reads the kernel's answer. Only an established connection has an owner:
// one that its client has closed already is reported as root's.
func uidOf(b []byte) (uint32, error) {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil || len(messages) == 0 {
		return 0, errUnseen
	}
	m := messages[0]
	if m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4 {
		errno := unix.Errno(-int32(binary.NativeEndian.Uint32(m.Data)))
		if errors.Is(errno, unix.ENOENT) {
			return 0, errNoSuch
		}
		return 0, errUnseen
	}
	if m.Header.Type != byFamily || len(m.Data) < messageSize {
		return 0, errUnseen
	}
	if m.Data[stateAt] != established {
		return 0, fmt.Errorf("the connection is closing (state %d)", m.Data[stateAt])
	}
	return binary.NativeEndian.Uint32(m.Data[uidAt:]), nil
}
