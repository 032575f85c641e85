package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Tokens gives a web identity token for one exchange: a new one where a new one
// can be had. Errors are *TokenError.
type Tokens interface {
	WebIdentityToken(context.Context) (string, error)
}

// TokenFile reads a web identity token, anew every time: kubelet swaps the
// file behind a symlink at about 80 % of the token's life.
type TokenFile string

// WebIdentityToken implements Tokens.
func (f TokenFile) WebIdentityToken(context.Context) (string, error) { return f.Read() }

// Read returns the token.
func (f TokenFile) Read() (string, error) {
	b, err := os.ReadFile(string(f))
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // TokenError names the file
	}
	bad := &TokenError{From: "web identity token file " + string(f), Err: err, Cure: "is the token mounted, and may this user read it?  ls -lL " + string(f)}
	if err != nil {
		return "", bad
	}
	token := strings.TrimSpace(string(b))
	if _, err := ParseClaims(token); err != nil {
		bad.Err = fmt.Errorf("it holds %d bytes: %w", len(b), err)
		return "", bad
	}
	return token, nil
}

// Version changes when the file does: its inode, size and time, through
// symlinks.
func (f TokenFile) Version() string {
	info, err := os.Stat(string(f))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size(), inode(info))
}

// TokenVariable is a token that stands in a variable, as GitLab's id_tokens do:
// the same one at every exchange, until it ends.
type TokenVariable struct{ Name, Value string }

// WebIdentityToken implements Tokens. A variable of GitLab's type "file" holds
// the path of a file instead; no JWT begins with a slash.
func (v TokenVariable) WebIdentityToken(context.Context) (string, error) { return v.read() }

func (v TokenVariable) read() (string, error) {
	if filepath.IsAbs(v.Value) {
		return TokenFile(v.Value).Read()
	}
	if _, err := ParseClaims(v.Value); err != nil {
		return "", &TokenError{From: "the variable " + v.Name, Err: err, Cure: "it must hold a JWT, or the path of a file with one; in GitLab the job's id_tokens makes it"}
	}
	return v.Value, nil
}

// TokenError is a token that couldn't be had, or that isn't one.
type TokenError struct {
	From    string // who should have given it: "web identity token file /t"
	Err     error  // never with the token in it
	Cure    string
	Passing bool // asking again may help
}

func (e *TokenError) Error() string { return e.From + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *TokenError) Unwrap() error { return e.Err }

// Permanent reports whether another attempt won't help. (A file that changes
// is noticed by the keeper.)
func (e *TokenError) Permanent() bool { return !e.Passing }
