package pipeline

import "strings"

// data escapes the text of a workflow command, property one of its properties:
// https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
func data(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func property(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(text)
}

// oneLine keeps a name from ending its line: what stands on the next could be a
// command of its own.
func oneLine(text string) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(text)
}
