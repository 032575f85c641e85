// Package archtest (tests only) keeps the shape of the program: which package
// may import which, what a package may be called, what it may keep in package
// variables, which calls are forbidden where, how long files and functions may
// get, and which modules the holdfast binary links.
//
// It promises that every rule says why it is there and what to do instead, that
// every rule is shown to fail on a bad snippet, and that an exception that
// nobody needs any more fails too. It reads source text only; it doesn't judge
// what the code does.
package archtest
