package access

import "github.com/holdfast/holdfast/internal/report"

// ForMachines reports whether entries of a type let nodes or Fargate's pods in,
// and nobody else. A type that isn't known here is left to a person
// (https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html).
func ForMachines(kind string) bool {
	return ForNodes(kind) || kind == "FARGATE_LINUX" || kind == "HYBRID_LINUX" || kind == "HYPERPOD_LINUX"
}

// Unasked says which entries of a cluster may be repaired after a run although
// nobody looks at the plan: dead ones of machines, in a cluster that
// configuration names for it. Leave is why nothing is repaired in this cluster,
// empty if something may be. What is wanted goes to Plans, which has the last
// word; left is what isn't even tried, and why. The scan must have been a full
// one.
func Unasked(r Result, c report.AccessCluster, leave string) (wanted func(principal string) bool, left []report.RepairedEntry) {
	try := map[string]bool{}
	for _, e := range c.Entries {
		why := leave
		switch {
		case e.Verdict == report.Live || e.Verdict == report.Managed:
			continue
		case e.Verdict != report.Stale:
			try[e.Principal] = leave == "" // Plans says why not
			continue
		case !ForMachines(e.Type):
			why = "it is of type " + e.Type + ", and only entries of nodes and Fargate pods are repaired unasked"
		case leave != "":
		case !forServices(r.Facts[Key{c.ARN, e.Principal}].Owner.Trust):
			why = "its trust policy isn't for AWS services alone, so that somebody else may stand behind it, and a person has to look"
		default:
			try[e.Principal] = true
			continue
		}
		left = append(left, refusedEntry(c, e, why))
	}
	return func(principal string) bool { return try[principal] }, left
}
