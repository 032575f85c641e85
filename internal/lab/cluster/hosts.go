package cluster

// STSHosts are the hosts that the verifier takes a token for in the partition
// aws, beside the one of the cluster's own region: what v0.6.13 finds in
// aws-sdk-go's endpoints.
func STSHosts() []string {
	regions := []string{
		"af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
		"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ca-central-1", "eu-central-1", "eu-central-2",
		"eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1",
		"me-south-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
	}
	hosts := []string{"sts.amazonaws.com"}
	for _, r := range regions {
		hosts = append(hosts, regionalHost(r))
	}
	for _, r := range []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2"} {
		hosts = append(hosts, "sts-fips."+r+".amazonaws.com")
	}
	return hosts
}

func regionalHost(region string) string { return "sts." + region + ".amazonaws.com" }
