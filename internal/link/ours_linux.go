package link

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// ours reports whether the process at the other end is of our user, or root.
func ours(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	uid := uint32(1<<32 - 1)
	err = raw.Control(func(fd uintptr) {
		if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = peer.Uid
		}
	})
	return err == nil && (uid == uint32(os.Getuid()) || uid == 0)
}
