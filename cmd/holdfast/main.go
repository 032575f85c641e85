// Command holdfast keeps AWS identity intact for the whole life of an
// infrastructure change.
package main

func main() {}
