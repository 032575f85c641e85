package view

import (
	"io"

	"github.com/holdfast/holdfast/internal/app"
)

// Setup says what was changed, and how it is used.
func Setup(w io.Writer, s app.Setup, path string) {
	if s.Remove {
		write(w, paragraph("", "profile "+s.Profile+" is out of "+path))
		return
	}
	write(w, paragraph("", "profile "+s.Profile+" is in "+path+"; to use it:  AWS_PROFILE="+s.Profile))
}
