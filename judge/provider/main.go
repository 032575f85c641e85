// Command terraform-provider-aws is a small stand-in for hashicorp/aws, for
// tests only: it answers to registry.terraform.io/hashicorp/aws by a
// development override and talks to the lab, so that a plan says what the real
// provider's plan would say about roles, clusters and access entries.
//
// It promises, for the attributes that it has, which of them force replacement,
// which are computed, what is retried, and that a cancelled context ends a call
// and a wait at once. Beside each resource stands where that is documented. With
// HOLDFAST_PROVIDER_IGNORES_CANCEL=1 it goes on as a provider that doesn't
// listen. It never stands for attributes that it leaves out: those it refuses.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
)

func main() {
	err := providerserver.Serve(context.Background(), newProvider, providerserver.ServeOpts{Address: "registry.terraform.io/hashicorp/aws"})
	if err != nil {
		log.Fatal(err)
	}
}
