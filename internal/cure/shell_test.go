//go:build unix

package cure

import (
	"os/exec"
	"testing"
)

// The judge is a shell.
func TestCommand(t *testing.T) {
	for _, words := range [][]string{
		{"plain", "-chdir=/live/rds", "a=b,c:d@e+f%"},
		{""},
		{"two words", "it's", `"quoted"`, "$HOME", "`id`", `back\slash`, "a;b", "*", "~", "new\nline", "#", "ü", "!x"},
		{`aws_db_instance.a["it's"]`, "'", "''"},
	} {
		want := ""
		for _, w := range words {
			want += "<" + w + ">"
		}
		got, err := exec.Command("sh", "-c", "printf '<%s>' "+Command(words...)).Output()
		if err != nil || string(got) != want {
			t.Errorf("%s gives %s, %v; want %s", Command(words...), got, err, want)
		}
	}
}
