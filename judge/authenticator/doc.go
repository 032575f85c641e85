// Package authenticator judges the lab's clusters: it puts the same question to
// the real aws-iam-authenticator (its verifier and its mappers, v0.6.13) and to
// the lab, and wants the same answer. It has nothing but tests, and it is a
// module of its own because Kubernetes' modules come with it.
//
// What it can't ask is pkg/server, which joins mappers and fills templates and
// exports neither; the test follows it line by line. Nor does v0.6.13 compare
// the ARN of an entry that was found by ID, which later versions do: no
// operation of the lab changes a principal's ARN.
package authenticator
