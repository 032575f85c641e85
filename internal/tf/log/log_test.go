package log_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/tf/log"
)

const human = "\x1b[0m\x1b[1mterraform_data.a: Creating...\x1b[0m\x1b[0m\n" +
	"\x1b[0m\x1b[1mmodule.m[\"x: y\"].aws_rds_cluster.r[\"k\"]: Modifying... [id=r]\x1b[0m\r\n" +
	"terraform_data.a: Provisioning with 'local-exec'...\n" +
	"terraform_data.a (local-exec): some.thing: Creation complete after lunch\n" +
	"terraform_data.a: Still creating... [10s elapsed]\n" +
	"\x1b[0m\x1b[1mterraform_data.a: Creation complete after 12s [id=1]\x1b[0m\n" +
	"module.m[\"x: y\"].aws_rds_cluster.r[\"k\"]: Modifications complete after 52m10s [id=r]\n" +
	"data.aws_x.d: Read complete after 0s [id=2]\n" +
	"aws_y.gone: Destroying... [id=3]\n" +
	"Apply complete! Resources: 1 added"

const machine = `{"@level":"info","type":"version","tofu":"1.12.6"}
{"type":"apply_start","hook":{"resource":{"addr":"terraform_data.a"},"action":"create"}}
not json
{"type":"apply_progress","hook":{"resource":{"addr":"terraform_data.a"},"action":"create","elapsed_seconds":10}}
{"type":"apply_complete","hook":{"resource":{"addr":"terraform_data.a"},"action":"create","elapsed_seconds":12}}
{"type":"apply_start","hook":{"resource":{"addr":"b.c"},"action":"update"}}
{"type":"apply_errored","hook":{"resource":{"addr":"b.c"},"action":"update","elapsed_seconds":3}}
{"type":"apply_start","hook":{"resource":{"addr":"d.e"},"action":"delete"}}
`

func clock() func() time.Time {
	at := time.Unix(0, 0)
	return func() time.Time { at = at.Add(time.Second); return at }
}

func TestReaders(t *testing.T) {
	for name, row := range map[string]struct {
		reader *log.Reader
		in     string
		want   []log.Operation
	}{
		"human": {log.Human(clock()), human, []log.Operation{
			{Address: "terraform_data.a", Action: "create", Took: 12 * time.Second},
			{Address: `module.m["x: y"].aws_rds_cluster.r["k"]`, Action: "update", Took: 52*time.Minute + 10*time.Second},
			{Address: "data.aws_x.d", Action: "read"},
			{Address: "aws_y.gone", Action: "delete", Took: time.Second, Failed: true},
		}},
		"JSON": {log.JSON(clock()), machine, []log.Operation{
			{Address: "terraform_data.a", Action: "create", Took: 12 * time.Second},
			{Address: "b.c", Action: "update", Took: 3 * time.Second, Failed: true},
			{Address: "d.e", Action: "delete", Took: time.Second, Failed: true},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, b := range []byte(row.in) { // in the smallest pieces
				if n, err := row.reader.Write([]byte{b}); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			if got := row.reader.Operations(); !reflect.DeepEqual(got, row.want) {
				t.Errorf("got  %+v\nwant %+v", got, row.want)
			}
		})
	}
}

func TestLineWithoutAnEnd(t *testing.T) {
	r := log.Human(clock())
	for range 100 {
		_, _ = r.Write([]byte(strings.Repeat("x", 1<<16)))
	}
	_, _ = r.Write([]byte("\na.b: Creation complete after 1s\n"))
	if got := r.Operations(); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

func FuzzReaders(f *testing.F) {
	f.Add([]byte(human), 7)
	f.Add([]byte(machine), 3)
	f.Fuzz(func(t *testing.T, in []byte, piece int) {
		if piece < 1 {
			return
		}
		for _, make := range []func(func() time.Time) *log.Reader{log.Human, log.JSON} {
			whole, pieces := make(clock()), make(clock())
			_, _ = whole.Write(in)
			for rest := in; len(rest) > 0; {
				n := min(piece, len(rest))
				_, _ = pieces.Write(rest[:n])
				rest = rest[n:]
			}
			if !reflect.DeepEqual(whole.Operations(), pieces.Operations()) {
				t.Error("the size of the pieces changes what is read")
			}
		}
	})
}
