package access

import "testing"

func TestTrust(t *testing.T) {
	for policy, want := range map[string]struct{ people, broken, services bool }{
		``:                 {},
		`{`:                {},
		`{"Statement":[]}`: {},
		`{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}}}`:                                                                       {services: true},
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com","eks.amazonaws.com"]}},{"Effect":"Deny","Principal":{"AWS":"AROAX"}}]}`: {services: true},
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}},{"Effect":"Allow","Principal":{"AWS":["111111111111"]}}]}`:             {people: true},
		`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"AROA4ZPVKXEHXEXAMPLE5"}}]}`:                                                                     {people: true, broken: true},
		`{"Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111111111111:role/a","AIDA4ZPVKXEHXEXAMPLE5"]}}]}`:                                {people: true, broken: true},
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Condition":{"StringLike":{"aws:userId":"AROA4ZPVKXEHXEXAMPLE5:*"}}}]}`: {services: true},
		`{"Statement":[{"Effect":"Allow","Principal":"*"}]}`:                                                                                                 {people: true},
		`{"Statement":[{"Effect":"Allow","NotPrincipal":{"Service":"ec2.amazonaws.com"}}]}`:                                                                  {people: true},
		`{"Statement":[{"Effect":"Allow"}]}`: {people: true},
		`{"Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111111111111:oidc-provider/x"}}]}`:                               {},
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com","Federated":"arn:aws:iam::111111111111:saml-provider/x"}}]}`: {},
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":[]}}]}`:                                                                          {},
	} {
		if people, broken, services := trustsPeople(policy), brokenTrust(policy), forServices(policy); people != want.people || broken != want.broken || services != want.services {
			t.Errorf("%s: people %v, broken %v, services %v; want %+v", policy, people, broken, services, want)
		}
	}
}
