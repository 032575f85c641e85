package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab"
)

// bare is an environment in which nothing of this machine's counts.
func (p *programs) bare() []string {
	return []string{"HOME=" + p.dir, "TMPDIR=" + p.dir, "PATH=" + filepath.Dir(p.nothing), "USER=bench"}
}

// pod is an environment as a pod with IRSA has it, with a lab of its own for
// AWS.
type pod struct {
	lab  *lab.Server
	env  []string
	role string // the pod's
}

// pod starts the lab; sessions last as long as session says.
func (p *programs) pod(session time.Duration) (*pod, error) {
	l, err := lab.Start(lab.Options{Session: session})
	if err != nil {
		return nil, err
	}
	token := filepath.Join(p.dir, "token")
	text := l.WebIdentityToken("system:serviceaccount:ci:runner", "sts.amazonaws.com", time.Hour)
	if err := os.WriteFile(token, []byte(text), 0o600); err != nil {
		l.Close()
		return nil, err
	}
	env := append(p.bare(), "AWS_WEB_IDENTITY_TOKEN_FILE="+token)
	out := &pod{lab: l}
	for _, e := range l.Env() {
		name, value, _ := strings.Cut(e, "=")
		switch name {
		case "AWS_ENDPOINT_URL", "AWS_REGION":
			env = append(env, e)
		case "HOLDFAST_LAB_ROLE_CI":
			env, out.role = append(env, "AWS_ROLE_ARN="+value), value
		}
	}
	out.env = env
	return out, nil
}

func (p *pod) close() { _ = p.lab.Close() } // ends with the process at the latest
