package plan

import "hash/maphash"

func (d *decoder) hash(address string) uint64 { return maphash.String(d.seed, address) }

func (d *decoder) seen(address string) bool {
	_, ok := d.changed[d.hash(address)]
	return ok
}

func (d *decoder) planned(address string, from origin) {
	if address != "" && !d.seen(address) && d.pending[address] != inState {
		d.pending[address] = from
	}
}

// state reads prior_state: which resources are there, and who the caller is.
func (d *decoder) state() {
	d.object(func(key []byte) {
		if string(key) != "values" {
			d.skip()
			return
		}
		d.object(func(key []byte) {
			if string(key) == "root_module" {
				d.stateModule()
			} else {
				d.skip()
			}
		})
	})
}

func (d *decoder) stateModule() {
	d.object(func(key []byte) {
		switch string(key) {
		case "resources":
			d.array(d.stateResource)
		case "child_modules":
			d.array(d.stateModule)
		default:
			d.skip()
		}
	})
}

func (d *decoder) stateResource() {
	var address, kind string
	managed := false
	d.object(func(key []byte) {
		switch string(key) {
		case "address":
			address = d.word()
		case "mode":
			managed = d.is("managed")
		case "type":
			kind = d.interned()
		case "values":
			d.caller(kind)
		default:
			d.skip()
		}
	})
	if managed {
		d.planned(address, inState)
	}
}

// caller keeps who applies, where a data source says so.
func (d *decoder) caller(kind string) {
	want := ""
	switch kind {
	case "aws_caller_identity":
		want = "arn"
	case "aws_iam_session_context":
		want = "issuer_arn"
	}
	if want == "" {
		d.skip()
		return
	}
	d.object(func(key []byte) {
		if string(key) != want {
			d.skip()
			return
		}
		if arn := d.word(); arn != "" {
			d.plan.Callers = append(d.plan.Callers, arn)
		}
	})
}
