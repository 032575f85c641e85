package view

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/app"
)

// Progress tells how far something is: a line that is written over on a
// terminal, and a line every ten seconds elsewhere. It is safe for use by several
// goroutines.
type Progress struct {
	to       *os.File
	terminal bool

	mu    sync.Mutex
	last  time.Time
	drawn bool
}

// NewProgress tells it to a file.
func NewProgress(to *os.File) *Progress {
	info, err := to.Stat()
	return &Progress{to: to, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0, last: time.Now()}
}

// Access tells of a scan.
func (p *Progress) Access(at app.AccessProgress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	every := 10 * time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if now := time.Now(); now.Sub(p.last) >= every {
		p.last = now
		p.show(fmt.Sprintf("%s, %d of %d entries read", count(at.Clusters, "cluster"), at.Judged, at.Entries))
	}
}

func (p *Progress) show(text string) {
	if !p.terminal {
		write(p.to, lead+text+"\n")
		return
	}
	p.drawn = true
	write(p.to, "\r\x1b[K"+lead+text)
}

// End takes the line away.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		write(p.to, "\r\x1b[K")
	}
	p.drawn = false
}

// Note writes a line that a person should see while something goes on.
func Note(to *os.File, text string) { write(to, paragraph(lead, text)) }
