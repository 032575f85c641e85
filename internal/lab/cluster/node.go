package cluster

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// node is a node that has registered, and the identity it did so with.
type node struct {
	object   map[string]any
	identity Identity
	joined   time.Time
}

func (x *exchange) createNode() {
	var object map[string]any
	if !x.decode(&object) {
		return
	}
	meta, _ := object["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	if name == "" {
		x.fail(http.StatusUnprocessableEntity, "Invalid", `Node "" is invalid: metadata.name: Required value: name or generateName is required`)
		return
	}
	x.permitted(request{verb: "create", resource: "nodes", name: name}, func() {
		x.plane.mu.Lock()
		defer x.plane.mu.Unlock()
		if x.plane.nodes[x.known.ID] == nil {
			x.plane.nodes[x.known.ID] = map[string]*node{}
		}
		if x.plane.nodes[x.known.ID][name] != nil {
			x.fail(http.StatusConflict, "AlreadyExists", `nodes "`+name+`" already exists`)
			return
		}
		now := time.Now().UTC()
		object["kind"], object["apiVersion"] = "Node", "v1"
		meta["creationTimestamp"] = now.Format(time.RFC3339)
		x.plane.nodes[x.known.ID][name] = &node{object: object, identity: x.user.Identity, joined: now}
		x.answer(http.StatusCreated, object)
	})
}

// listNodes shows each node as its kubelet would keep it now: Ready if its
// identity is still let in, Unknown if it can't report any more.
func (x *exchange) listNodes() {
	x.plane.mu.Lock()
	registered := maps.Clone(x.plane.nodes[x.known.ID])
	x.plane.mu.Unlock()
	items := []any{}
	for _, name := range slices.Sorted(maps.Keys(registered)) {
		n := registered[name]
		ready := map[string]string{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
			"lastTransitionTime": n.joined.Format(time.RFC3339)}
		if _, err := x.plane.Map(x.known, n.identity); err != nil {
			ready["status"], ready["reason"], ready["message"] = "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."
		}
		shown := maps.Clone(n.object)
		shown["status"] = map[string]any{"conditions": []any{ready}}
		items = append(items, shown)
	}
	x.answer(http.StatusOK, map[string]any{"kind": "NodeList", "apiVersion": "v1", "metadata": map[string]any{}, "items": items})
}
