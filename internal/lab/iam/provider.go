package iam

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Provider is an OIDC provider of an account.
type Provider struct {
	ARN       string
	URL       string // without the scheme, as GetOpenIDConnectProvider shows it
	Audiences []string
	Created   time.Time
	thumbs    []string
}

// ProviderARN is the ARN of the lab's issuer in an account.
func (d *Directory) ProviderARN(accountID string) string {
	return "arn:aws:iam::" + accountID + ":oidc-provider/" + d.issuer
}

// AddProvider registers the lab's issuer in an account.
func (d *Directory) AddProvider(accountID string, audiences []string, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	arn := d.ProviderARN(accountID)
	d.accounts[accountID].providers[arn] = &Provider{ARN: arn, URL: d.issuer, Audiences: audiences, Created: now}
}

// ProviderOf finds an account's provider for an issuer (without the scheme).
func (d *Directory) ProviderOf(accountID, issuer string) (Provider, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if acct := d.accounts[accountID]; acct != nil {
		for _, p := range acct.providers {
			if p.URL == issuer {
				return *p, true
			}
		}
	}
	return Provider{}, false
}

func (d *Directory) createProvider(acct *account, p *wire.Params, now time.Time) (any, error) {
	_, host, _ := strings.Cut(p.Get("Url"), "://")
	host = strings.TrimSuffix(host, "/")
	created := &Provider{ARN: d.ProviderARN(acct.id), URL: host, Audiences: p.List("ClientIDList"), Created: now, thumbs: p.List("ThumbprintList")}
	if err := p.Unread(); err != nil {
		return nil, err
	}
	if host != d.issuer {
		return nil, wire.Unsupported("an OIDC issuer other than its own " + d.issuer + " (CreateOpenIDConnectProvider of " + host + ")")
	}
	if acct.providers[created.ARN] != nil {
		return nil, wire.Refuse(http.StatusConflict, "EntityAlreadyExists", "Provider with url "+p.Get("Url")+" already exists.")
	}
	acct.providers[created.ARN] = created
	return struct{ OpenIDConnectProviderArn string }{created.ARN}, nil
}

func provider(acct *account, p *wire.Params) (*Provider, error) {
	arn := p.Get("OpenIDConnectProviderArn")
	if err := p.Unread(); err != nil {
		return nil, err
	}
	found := acct.providers[arn]
	if found == nil {
		return nil, wire.Refuse(http.StatusNotFound, "NoSuchEntity", "OpenIDConnect Provider not found for arn "+arn)
	}
	return found, nil
}

func getProvider(acct *account, p *wire.Params) (any, error) {
	found, err := provider(acct, p)
	if err != nil {
		return nil, err
	}
	return struct {
		URL        string   `xml:"Url"`
		Audiences  []string `xml:"ClientIDList>member"`
		Thumbs     []string `xml:"ThumbprintList>member"`
		CreateDate string
	}{found.URL, found.Audiences, found.thumbs, found.Created.UTC().Format(timeFormat)}, nil
}

func listProviders(acct *account, p *wire.Params) (any, error) {
	if err := p.Unread(); err != nil {
		return nil, err
	}
	type entry struct{ Arn string }
	var result struct {
		List []entry `xml:"OpenIDConnectProviderList>member"`
	}
	for _, arn := range slices.Sorted(maps.Keys(acct.providers)) {
		result.List = append(result.List, entry{arn})
	}
	return result, nil
}

func deleteProvider(acct *account, p *wire.Params) (any, error) {
	found, err := provider(acct, p)
	if err != nil {
		return nil, err
	}
	delete(acct.providers, found.ARN)
	return nil, nil
}
