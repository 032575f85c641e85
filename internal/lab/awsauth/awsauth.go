// Package awsauth (lab) reads and writes the rows of the ConfigMap aws-auth in
// kube-system, as aws-iam-authenticator's pkg/mapper/configmap does: mapRoles
// and mapUsers are YAML lists, mapAccounts is a YAML list of account IDs.
//
// It promises that a key which can't be read gives no rows and no error of the
// others, as there. It knows nothing of clusters.
package awsauth

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// Row maps a role's or a user's ARN to a Kubernetes user.
type Row struct {
	RoleARN  string   `json:"rolearn,omitempty"`
	UserARN  string   `json:"userarn,omitempty"`
	Username string   `json:"username,omitempty"`
	Groups   []string `json:"groups,omitempty"`
}

// Map is what the authenticator reads from the ConfigMap. Later rows of the
// same ARN win; ARNs are compared in lower case.
type Map struct {
	roles    map[string]Row
	users    map[string]Row
	accounts map[string]bool
}

// Keys of the ConfigMap's data.
const (
	rolesKey    = "mapRoles"
	usersKey    = "mapUsers"
	accountsKey = "mapAccounts"
)

// Parse reads the data of the ConfigMap. With an error, the map holds what
// could be read.
func Parse(data map[string]string) (Map, error) {
	m := Map{roles: map[string]Row{}, users: map[string]Row{}, accounts: map[string]bool{}}
	roles, err := rows(data[rolesKey])
	for _, r := range roles {
		m.roles[strings.ToLower(r.RoleARN)] = r
	}
	users, usersErr := rows(data[usersKey])
	for _, u := range users {
		m.users[strings.ToLower(u.UserARN)] = u
	}
	var accounts []string
	accountsErr := decode(data[accountsKey], &accounts)
	for _, a := range accounts {
		m.accounts[a] = true
	}
	for key, err := range map[string]error{rolesKey: err, usersKey: usersErr, accountsKey: accountsErr} {
		if err != nil {
			return m, fmt.Errorf("aws-auth %s: %w", key, err)
		}
	}
	return m, nil
}

// Find is the row for a canonical ARN: a role's first, then a user's.
func (m Map) Find(arn string) (Row, bool) {
	key := strings.ToLower(arn)
	if r, ok := m.roles[key]; ok {
		return r, true
	}
	u, ok := m.users[key]
	return u, ok
}

// Account says whether everybody of an account is let in.
func (m Map) Account(id string) bool { return m.accounts[id] }

func rows(text string) ([]Row, error) {
	var out []Row
	return out, decode(text, &out)
}

// decode goes through JSON, as the authenticator does.
func decode(text string, into any) error {
	switch strings.TrimSpace(text) {
	case "", "``", `""`, "''": // isSkippable of the authenticator
		return nil
	}
	b, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// Add appends a role's row unless the ARN has one.
func Add(data map[string]string, row Row) (map[string]string, error) {
	present, err := rows(data[rolesKey])
	if err != nil {
		return nil, fmt.Errorf("aws-auth %s: %w", rolesKey, err)
	}
	for _, r := range present {
		if strings.EqualFold(r.RoleARN, row.RoleARN) {
			return data, nil
		}
	}
	return withRoles(data, append(present, row))
}

// Remove takes a role's rows out.
func Remove(data map[string]string, roleARN string) (map[string]string, error) {
	present, err := rows(data[rolesKey])
	if err != nil {
		return nil, fmt.Errorf("aws-auth %s: %w", rolesKey, err)
	}
	var kept []Row
	for _, r := range present {
		if !strings.EqualFold(r.RoleARN, roleARN) {
			kept = append(kept, r)
		}
	}
	return withRoles(data, kept)
}

func withRoles(data map[string]string, list []Row) (map[string]string, error) {
	rest := map[string]string{}
	for k, v := range data {
		rest[k] = v
	}
	b, err := yaml.Marshal(list)
	if err != nil {
		return nil, err
	}
	rest[rolesKey] = string(b)
	return rest, nil
}

// Render is the data of a ConfigMap with these rows.
func Render(list []Row, accounts []string) (map[string]string, error) {
	var roles, users []Row
	for _, r := range list {
		if (r.RoleARN == "") == (r.UserARN == "") {
			return nil, fmt.Errorf("an aws-auth row needs either a role's or a user's ARN")
		}
		if r.RoleARN != "" {
			roles = append(roles, r)
		} else {
			users = append(users, r)
		}
	}
	data := map[string]string{}
	for key, part := range map[string]any{rolesKey: roles, usersKey: users, accountsKey: accounts} {
		b, err := yaml.Marshal(part)
		if err != nil {
			return nil, err
		}
		if text := string(b); text != "[]\n" && text != "null\n" {
			data[key] = text
		}
	}
	return data, nil
}
