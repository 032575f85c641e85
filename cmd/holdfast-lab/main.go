// Command holdfast-lab is AWS as far as holdfast needs it, on loopback.
package main

func main() {}
