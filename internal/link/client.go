package link

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// How long a keeper may take: for its first answer as long as a chain of
// exchanges.
const (
	welcomeIn = 60 * time.Second
	answerIn  = 5 * time.Second

	// Before a process starts its backend is looked at, and after its end what
	// it left behind is settled.
	registerIn = 30 * time.Second
	endIn      = 30 * time.Minute
)

// Client is a supervisor's side. It is safe for use by several goroutines.
type Client struct {
	mu    sync.Mutex
	conn  net.Conn
	lines *bufio.Scanner
}

// Dial opens a conversation with the keeper at path.
func Dial(path string) (*Client, error) {
	conn, err := net.DialTimeout("unix", path, answerIn)
	if err != nil {
		return nil, fmt.Errorf("the keeper of this run doesn't answer: %w", err)
	}
	c := &Client{conn: conn, lines: bufio.NewScanner(conn)}
	c.lines.Buffer(make([]byte, 4096), longest)
	return c, nil
}

// Ask returns where a process finds credentials.
func (c *Client) Ask(a Ask) (Welcome, error) {
	answer, err := c.say(message{Ask: &a}, welcomeIn)
	if err == nil && answer.Welcome == nil {
		err = errors.New("the keeper of this run gave no address")
	}
	if err != nil {
		return Welcome{}, err
	}
	return *answer.Welcome, nil
}

// Register puts a process on the keeper's list; the second time it says which
// process it has become.
func (c *Client) Register(p Process) error {
	_, err := c.say(message{Process: &p}, registerIn)
	return err
}

// Interrupted tells that the process got its one interrupt.
func (c *Client) Interrupted() error {
	_, err := c.say(message{Interrupted: true}, answerIn)
	return err
}

// Progressed tells how far the process has come.
func (c *Client) Progressed(p Progress) error {
	_, err := c.say(message{Progress: &p}, answerIn)
	return err
}

// End tells how it ended, and returns when the keeper has settled what it left
// behind.
func (c *Client) End(e End) error {
	_, err := c.say(message{End: &e}, endIn)
	return err
}

// Close ends the conversation.
func (c *Client) Close() error { return c.conn.Close() }

func (c *Client) say(m message, within time.Duration) (message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.Version = Version
	if err := c.conn.SetDeadline(time.Now().Add(within)); err != nil {
		return message{}, err
	}
	if err := json.NewEncoder(c.conn).Encode(m); err != nil {
		return message{}, err
	}
	if !c.lines.Scan() {
		return message{}, errors.Join(errors.New("the keeper of this run is gone"), c.lines.Err())
	}
	var answer message
	if err := json.Unmarshal(c.lines.Bytes(), &answer); err != nil {
		return message{}, err
	}
	if answer.Problem != "" {
		return message{}, errors.New("the keeper of this run says: " + answer.Problem)
	}
	return answer, nil
}
