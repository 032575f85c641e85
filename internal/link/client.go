package link

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// answerIn is how long a keeper may take for an answer; it does no work for it.
const answerIn = 5 * time.Second

// Client is a supervisor's side.
type Client struct {
	conn  net.Conn
	lines *bufio.Scanner
}

// Dial speaks to the keeper at path and returns where to find credentials.
func Dial(path string) (*Client, Welcome, error) {
	conn, err := net.DialTimeout("unix", path, answerIn)
	if err != nil {
		return nil, Welcome{}, fmt.Errorf("the keeper of this run doesn't answer: %w", err)
	}
	c := &Client{conn, bufio.NewScanner(conn)}
	c.lines.Buffer(make([]byte, 4096), longest)
	answer, err := c.ask(message{Hello: true})
	if err == nil && answer.Welcome == nil {
		err = errors.New("the keeper of this run gave no address")
	}
	if err != nil {
		return nil, Welcome{}, errors.Join(err, conn.Close())
	}
	return c, *answer.Welcome, nil
}

// Register puts a process on the keeper's list; the second time it says which
// process it has become.
func (c *Client) Register(p Process) error {
	_, err := c.ask(message{Process: &p})
	return err
}

// End tells how it ended.
func (c *Client) End(e End) error {
	_, err := c.ask(message{End: &e})
	return err
}

// Close ends the conversation.
func (c *Client) Close() error { return c.conn.Close() }

func (c *Client) ask(m message) (message, error) {
	m.Version = Version
	if err := c.conn.SetDeadline(time.Now().Add(answerIn)); err != nil {
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
