package endpoint

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// errUnseen is the answer of a kernel that can't tell a connection's user.
var errUnseen = errors.New("this kernel doesn't tell the user of a connection")

// users decides who may ask, by the user at the other end of a connection.
type users struct {
	allowed []uint32
	unseen  *atomic.Int64
}

func newUsers(more []uint32) users {
	return users{append([]uint32{uint32(os.Getuid()), 0}, more...), new(atomic.Int64)}
}

// visitor is one connection; its user is looked up once, at its first request.
type visitor struct {
	conn    net.Conn
	once    sync.Once
	welcome bool
}

type visitorKey struct{}

func (u users) remember(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, visitorKey{}, &visitor{conn: conn})
}

func (u users) welcome(ctx context.Context) bool {
	v, ok := ctx.Value(visitorKey{}).(*visitor)
	if !ok {
		return false
	}
	v.once.Do(func() {
		uid, err := peerUID(v.conn)
		switch {
		case errors.Is(err, errUnseen):
			u.unseen.Add(1)
			v.welcome = true // the token alone decides, and the report says so
		case err == nil:
			v.welcome = slices.Contains(u.allowed, uid)
		}
		v.conn = nil
	})
	return v.welcome
}
