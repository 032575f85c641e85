"""A round trip of every EKS operation that the lab has, by boto3.

The environment points at a lab whose world has the roles cluster, node, pods
and deploy. Each line that is printed is an operation that answered as boto3's
own model of the service wants it.
"""

import time

import boto3
from botocore.exceptions import ClientError

eks, iam, logs, sts = (boto3.client(s) for s in ("eks", "iam", "logs", "sts"))
ACCOUNT = sts.get_caller_identity()["Account"]
DEPLOY = f"arn:aws:iam::{ACCOUNT}:role/deploy"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


def role(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def done(operation):
    print(operation, flush=True)


def until(read, status):
    for _ in range(200):
        if read() == status:
            return
        time.sleep(0.05)
    raise SystemExit(f"never {status}")


def refused(code, status, call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        got = e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]
        assert got == (code, status), got
        return
    raise SystemExit(f"{code} didn't come")


def clusters():
    eks.create_cluster(name="py", roleArn=role("cluster"), resourcesVpcConfig={"subnetIds": ["a", "b"]},
                       accessConfig={"authenticationMode": "CONFIG_MAP"}, logging={"clusterLogging": [{"types": ["authenticator"], "enabled": True}]})
    done("CreateCluster")
    until(lambda: eks.describe_cluster(name="py")["cluster"]["status"], "ACTIVE")
    done("DescribeCluster")
    assert "py" in [n for page in eks.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": 1}) for n in page["clusters"]]
    done("ListClusters")
    refused("InvalidRequestException", 400, eks.list_access_entries, clusterName="py")
    for mode in "API_AND_CONFIG_MAP", "API":
        update = eks.update_cluster_config(name="py", accessConfig={"authenticationMode": mode})["update"]
        until(lambda: eks.describe_update(name="py", updateId=update["id"])["update"]["status"], "Successful")
    done("UpdateClusterConfig")
    done("DescribeUpdate")
    assert len(eks.list_updates(name="py")["updateIds"]) == 2
    done("ListUpdates")


def groups():
    eks.create_nodegroup(clusterName="py", nodegroupName="n", nodeRole=role("node"), subnets=["a"])
    done("CreateNodegroup")
    until(lambda: eks.describe_nodegroup(clusterName="py", nodegroupName="n")["nodegroup"]["status"], "ACTIVE")
    done("DescribeNodegroup")
    assert eks.list_nodegroups(clusterName="py")["nodegroups"] == ["n"]
    done("ListNodegroups")
    eks.create_fargate_profile(clusterName="py", fargateProfileName="f", podExecutionRoleArn=role("pods"), selectors=[{"namespace": "x"}])
    done("CreateFargateProfile")
    until(lambda: eks.describe_fargate_profile(clusterName="py", fargateProfileName="f")["fargateProfile"]["status"], "ACTIVE")
    done("DescribeFargateProfile")
    assert eks.list_fargate_profiles(clusterName="py")["fargateProfileNames"] == ["f"]
    done("ListFargateProfiles")


def entries():
    at = {"clusterName": "py", "principalArn": DEPLOY}
    made = eks.create_access_entry(**at, kubernetesGroups=["g"])["accessEntry"]
    assert made["createdAt"].tzinfo is not None and made["type"] == "STANDARD", made
    done("CreateAccessEntry")
    refused("ResourceInUseException", 409, eks.create_access_entry, **at)
    assert eks.describe_access_entry(**at)["accessEntry"]["accessEntryArn"] == made["accessEntryArn"]
    done("DescribeAccessEntry")
    assert sorted(eks.list_access_entries(clusterName="py")["accessEntries"])[-1] == f"arn:aws:iam::{ACCOUNT}:user/administrator"
    done("ListAccessEntries")
    assert eks.update_access_entry(**at, kubernetesGroups=[])["accessEntry"]["kubernetesGroups"] == []
    done("UpdateAccessEntry")
    eks.associate_access_policy(**at, policyArn=VIEW, accessScope={"type": "namespace", "namespaces": ["x"]})
    done("AssociateAccessPolicy")
    assert eks.list_associated_access_policies(**at)["associatedAccessPolicies"][0]["accessScope"]["namespaces"] == ["x"]
    done("ListAssociatedAccessPolicies")
    assert VIEW in [p["arn"] for p in eks.list_access_policies()["accessPolicies"]]
    done("ListAccessPolicies")
    eks.disassociate_access_policy(**at, policyArn=VIEW)
    done("DisassociateAccessPolicy")
    eks.tag_resource(resourceArn=made["accessEntryArn"], tags={"a": "1", "b": "2"})
    done("TagResource")
    eks.untag_resource(resourceArn=made["accessEntryArn"], tagKeys=["a"])
    done("UntagResource")
    assert eks.list_tags_for_resource(resourceArn=made["accessEntryArn"])["tags"] == {"b": "2"}
    done("ListTagsForResource")
    eks.delete_access_entry(**at)
    done("DeleteAccessEntry")
    refused("ResourceNotFoundException", 404, eks.describe_access_entry, **at)


def the_rest():
    refused("ResourceNotFoundException", 400, logs.filter_log_events, logGroupName="/aws/eks/py/cluster")
    done("FilterLogEvents")
    iam.create_user(UserName="py")
    assert iam.get_user(UserName="py")["User"]["UserId"].startswith("AIDA")
    iam.delete_user(UserName="py")
    done("CreateUser")


def end():
    eks.delete_nodegroup(clusterName="py", nodegroupName="n")
    done("DeleteNodegroup")
    eks.delete_fargate_profile(clusterName="py", fargateProfileName="f")
    done("DeleteFargateProfile")
    until(lambda: eks.list_nodegroups(clusterName="py")["nodegroups"] + eks.list_fargate_profiles(clusterName="py")["fargateProfileNames"], [])
    eks.delete_cluster(name="py")
    done("DeleteCluster")
    until(lambda: "py" in eks.list_clusters()["clusters"], False)


for part in clusters, groups, entries, the_rest, end:
    part()
