package cluster

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/eks"
)

// authenticate is the authenticator's answer to one token, with its log lines:
// authenticateEndpoint of pkg/server.
func (p *Plane) authenticate(known eks.Known, token, client string, now time.Time) (User, error) {
	log := func(level, message string, fields map[string]string) {
		if !known.Logged {
			return
		}
		all := map[string]string{"client": client, "method": http.MethodPost, "path": "/authenticate"}
		maps.Copy(all, fields)
		p.Logs.Write(known.Account, known.Region, "/aws/eks/"+known.Name+"/cluster",
			"authenticator-"+strings.ToLower(known.ID), line(now, level, message, all), now)
	}
	id, err := p.Verify(known.Ref, token, now)
	if err != nil {
		log("warning", "access denied", map[string]string{"error": err.Error()})
		return User{}, err
	}
	log("info", "STS response", map[string]string{
		"accesskeyid": id.AccessKeyID, "arn": id.ARN, "accountid": id.AccountID, "userid": id.UserID, "session": id.SessionName,
	})
	u, err := p.Map(known, id)
	if err != nil {
		log("warning", "access denied", map[string]string{"arn": id.CanonicalARN, "error": err.Error()})
		return User{}, err
	}
	log("info", "access granted", map[string]string{
		"arn": id.CanonicalARN, "username": u.Name, "uid": u.UID, "groups": "[" + strings.Join(u.Groups, " ") + "]",
	})
	u.Groups = append(slices.Clone(u.Groups), authenticated)
	return u, nil
}

// line is the text format of github.com/sirupsen/logrus.
func line(now time.Time, level, message string, fields map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "time=%q level=%s msg=%q", now.UTC().Format("2006-01-02T15:04:05Z"), level, message)
	plain := regexp.MustCompile(`^[A-Za-z0-9\-._/@^+]+$`)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		if value != "" && !plain.MatchString(value) {
			value = fmt.Sprintf("%q", value)
		}
		if value == "" {
			value = `""`
		}
		fmt.Fprintf(&b, " %s=%s", name, value)
	}
	return b.String()
}
